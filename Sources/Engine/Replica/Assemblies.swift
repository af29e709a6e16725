internal import Bytes
internal import Commands
internal import RESP
internal import Store

/// Large commands whose pieces have come through the log but which have not been executed yet.
///
/// Part of the group's state. A piece counts when it continues what is there; a repetition is
/// ignored. Bounded in bytes and in idle log time, so that an origin that died leaves nothing behind.
struct Assemblies {
    fileprivate final class Assembly {
        let origin: Origin
        let command: UInt64
        var bytes = ByteBuffer()
        /// The bytes, once the command was taken out: an image under way may still need them.
        var taken: SharedBytes?
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
        let bytes = SharedBytes(assembly.bytes.take())
        assembly.taken = bytes
        return bytes
    }

    /// Whether a large command that is there whole may add data; true for what cannot be read.
    func startsGrowth(origin: Origin, _ reference: LargeReference) -> Bool {
        guard
            let assembly = assemblies.first(where: {
                $0.origin == origin && $0.command == reference.command
            })
        else { return true }
        return Self.startsGrowth(assembly.bytes)
    }

    private static func startsGrowth(_ bytes: borrowing ByteBuffer) -> Bool {
        var parser = RequestParser(limits: Replica.anyLength)
        guard parser.parse(bytes.readable) == .request,
            case .found(let spec) = CommandTable.resolve(parser.request(over: bytes.readable))
        else { return true }
        return spec.flags.contains(.denyoom) || spec.name.description == "exec"
    }

    /// The newest is kept though it be larger than the limit by itself: what is given up is the same on
    /// all replicas, of whatever version, and so are the doors that let it in.
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

    // MARK: Images

    /// What an image holds of one assembly: the bytes that were there when it began.
    struct Part {
        private let assembly: Assembly
        let count: Int

        fileprivate init(_ assembly: Assembly) {
            self.assembly = assembly
            count = assembly.bytes.count
        }

        /// Appends bytes from `offset` on to the image, at most `limit`; returns how many.
        func copy(from offset: Int, limit: Int, into image: inout ByteBuffer) -> Int {
            let end = min(count, offset + limit)
            if let taken = assembly.taken {
                image.append(taken.span.extracting(offset..<end))
            } else {
                Self.copy(assembly.bytes, offset..<end, into: &image)
            }
            return end - offset
        }

        private static func copy(
            _ bytes: borrowing ByteBuffer, _ range: Range<Int>, into image: inout ByteBuffer
        ) {
            image.append(bytes.readable.extracting(range))
        }
    }

    /// The parts that an image consists of, in order; bytes are only ever added to them.
    var parts: [Part] { assemblies.map { Part($0) } }

    /// Everything but the bytes.
    func encode(into image: inout ByteBuffer) {
        image.append(varint: UInt64(assemblies.count))
        for assembly in assemblies {
            image.append(varint: UInt64(assembly.origin.node))
            image.append(varint: assembly.origin.boot)
            image.append(varint: assembly.command)
            image.append(varint: UInt64(assembly.bytes.count))
            image.append(littleEndian: assembly.checksum)
            image.append(littleEndian: assembly.lastTime)
        }
    }

    /// The assemblies of an image, still without their bytes, and how many bytes each lacks: any number,
    /// since `add` keeps the newest command whatever its length. It takes no memory before the bytes are
    /// there, and an image that does not hold them is not complete.
    static func decode(
        _ reader: inout ByteReader
    ) throws(DecodeError) -> (assemblies: Assemblies, missing: [Int]) {
        var decoded = Assemblies()
        var missing: [Int] = []
        for _ in 0..<(try reader.readCount()) {
            guard let node = UInt16(exactly: try reader.readVarint()) else {
                throw .invalid("origin")
            }
            let boot = try reader.readVarint()
            let command = try reader.readVarint()
            guard let count = Int(exactly: try reader.readVarint()) else {
                throw .invalid("assembly size")
            }
            let checksum: UInt32 = try reader.read()
            let assembly = Assembly(
                origin: Origin(node: node, boot: boot), command: command,
                time: try reader.read())
            assembly.checksum = checksum
            decoded.assemblies.append(assembly)
            missing.append(count)
        }
        return (decoded, missing)
    }

    /// Adds bytes of the image to the assembly at a position.
    mutating func restore(_ piece: Span<UInt8>, at position: Int) {
        assemblies[position].bytes.append(piece)
        byteCount += piece.count
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
