internal import Bytes
internal import RESP

/// All client connections, by index; a freed index is used again under a new generation.
struct SessionTable: ~Copyable {
    private(set) var slots = Slab<Session>()
    private var generations: [UInt32] = []
    private var free: [UInt32] = []
    private var nextClientID: Int64 = 1
    /// Open connections.
    private(set) var count = 0
    /// Sessions that can go on: an answer came, or input.
    var ready: [SessionID] = []
    /// Sessions with new output.
    var flushing: [SessionID] = []

    mutating func open(
        address: String, localAddress: String, descriptor: Int32, limits: RESPLimits, now: Instant
    ) -> SessionID {
        let index = free.popLast() ?? UInt32(slots.count)
        if index == slots.count { generations.append(0) }
        let id = SessionID(index: index, generation: generations[Int(index)])
        let session = Session(
            id: id, clientID: nextClientID, address: address, localAddress: localAddress,
            descriptor: descriptor, limits: limits, now: now)
        nextClientID += 1
        if index == slots.count {
            slots.append(session)
        } else {
            slots[Int(index)] = session
        }
        count += 1
        return id
    }

    /// Frees the slot; later uses of `id` find nothing.
    mutating func remove(_ id: SessionID) {
        guard let index = index(of: id) else { return }
        generations[index] &+= 1
        slots[index].isGone = true
        slots[index].input = ByteBuffer()
        slots[index].output = ByteBuffer()
        slots[index].gather = nil
        free.append(id.index)
        count -= 1
    }

    /// The slot of a session that is still there.
    @inline(__always)
    func index(of id: SessionID) -> Int? {
        let index = Int(id.index)
        guard index < generations.count, generations[index] == id.generation,
            !slots[index].isGone
        else { return nil }
        return index
    }

    subscript(index: Int) -> Session {
        unsafeAddress { unsafe UnsafePointer(slots.unsafeAddress(of: index)) }
        unsafeMutableAddress { unsafe slots.unsafeAddress(of: index) }
    }

    /// Indices of all open sessions.
    var openIndices: [Int] {
        var open: [Int] = []
        for index in 0..<slots.count where !slots[index].isGone { open.append(index) }
        return open
    }

    mutating func markReady(_ index: Int) {
        guard !slots[index].isReady else { return }
        slots[index].isReady = true
        ready.append(slots[index].id)
    }

    mutating func markFlushing(_ index: Int) {
        guard !slots[index].isFlushing else { return }
        slots[index].isFlushing = true
        flushing.append(slots[index].id)
    }
}
