internal import Bytes
internal import Store

/// Large commands whose pieces have come through the log but which have not been executed yet.
///
/// Part of the group's state. A piece counts when it continues what is there; a repetition is
/// ignored. Bounded in bytes and in idle log time, so that an origin that died leaves nothing behind.
struct Assemblies {
    private final class Assembly {
        let origin: Origin
        let command: UInt64
        var bytes = ByteBuffer()
        var checksum: UInt32 = 0
        var lastTime: Int64

        init(origin: Origin, command: UInt64, time: Int64) {
            self.origin = origin
            self.command = command
            lastTime = time
        }
    }

    /// In order of their first piece.
    private var assemblies: [Assembly] = []
    private(set) var byteCount = 0

    /// Adds a piece; returns how many bytes of the command are there now.
    mutating func add(
        _ piece: Span<UInt8>, origin: Origin, command: UInt64, offset: UInt64, time: Int64
    ) -> UInt64 {
        removeStale(before: time, newest: origin)
        let assembly: Assembly
        if let known = assemblies.first(where: { $0.origin == origin && $0.command == command }) {
            assembly = known
        } else {
            guard offset == 0 else { return 0 }
            assembly = Assembly(origin: origin, command: command, time: time)
            assemblies.append(assembly)
        }
        let count = UInt64(assembly.bytes.count)
        if offset == count {
            assembly.bytes.append(piece)
            assembly.checksum = CRC32C.checksum(piece, continuing: assembly.checksum)
            assembly.lastTime = time
            byteCount += piece.count
            enforceLimit(keeping: assembly)
        }
        return UInt64(assembly.bytes.count)
    }

    /// Takes a command out. Nil when it is not whole: it was given up.
    mutating func take(origin: Origin, reference: LargeReference) -> SharedBytes? {
        guard
            let at = assemblies.firstIndex(where: {
                $0.origin == origin && $0.command == reference.command
            })
        else { return nil }
        let assembly = assemblies.remove(at: at)
        byteCount -= assembly.bytes.count
        guard UInt64(assembly.bytes.count) == reference.length else { return nil }
        return SharedBytes(assembly.bytes.take())
    }

    private mutating func enforceLimit(keeping newest: Assembly) {
        while byteCount > EngineLimits.assemblyBytesMax,
            let at = assemblies.firstIndex(where: { $0 !== newest })
        {
            byteCount -= assemblies.remove(at: at).bytes.count
        }
    }

    private mutating func removeStale(before time: Int64, newest: Origin) {
        let limit = time - EngineLimits.assemblyIdleMilliseconds
        assemblies.removeAll { assembly in
            let isStale =
                assembly.lastTime < limit
                || (assembly.origin.node == newest.node && assembly.origin.boot < newest.boot)
            if isStale { byteCount -= assembly.bytes.count }
            return isStale
        }
    }

    /// Feeds everything that replicas must agree on.
    func feed(into hash: inout StateHash) {
        for assembly in assemblies {
            hash.feed(UInt64(assembly.origin.node))
            hash.feed(assembly.origin.boot)
            hash.feed(assembly.command)
            hash.feed(assembly.bytes.count)
            hash.feed(UInt64(assembly.checksum))
            hash.feed(assembly.lastTime)
        }
    }
}
