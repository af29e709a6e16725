internal import Bytes
internal import Raft

/// The open links, few: found by walking.
struct LinkTable: ~Copyable {
    private var slots = Slab<PeerLink>()
    private var isOpen: [Bool] = []
    /// Links with new output.
    var flushing: [LinkID] = []

    mutating func open(_ id: LinkID, dialed: NodeID?, now: Instant) {
        let link = PeerLink(id: id, dialed: dialed, now: now)
        if let free = isOpen.firstIndex(of: false) {
            slots[free] = link
            isOpen[free] = true
        } else {
            slots.append(link)
            isOpen.append(true)
        }
    }

    mutating func remove(_ id: LinkID) {
        guard let index = index(of: id) else { return }
        isOpen[index] = false
        slots[index] = PeerLink(id: LinkID(.max), dialed: nil, now: Instant(nanoseconds: 0))
    }

    func index(of id: LinkID) -> Int? {
        for index in isOpen.indices where isOpen[index] && slots[index].id == id { return index }
        return nil
    }

    /// The admitted link to a peer.
    func index(to peer: NodeID) -> Int? {
        for index in isOpen.indices
        where isOpen[index] && slots[index].peer == peer && !slots[index].isClosing {
            return index
        }
        return nil
    }

    subscript(index: Int) -> PeerLink {
        unsafeAddress { unsafe UnsafePointer(slots.unsafeAddress(of: index)) }
        unsafeMutableAddress { unsafe slots.unsafeAddress(of: index) }
    }

    /// Slots, open or not: to walk over all links without a list of them.
    var slotCount: Int { slots.count }

    /// Links whose other end has not been admitted.
    var strangers: Int {
        var count = 0
        for index in isOpen.indices where isOpen[index] && slots[index].peer == nil { count += 1 }
        return count
    }

    /// When the oldest of them was opened.
    var oldestStranger: Instant? {
        var oldest: Instant?
        for index in isOpen.indices
        where isOpen[index] && slots[index].peer == nil && !slots[index].isClosing
            && slots[index].applicant == nil
        {
            oldest = min(oldest ?? slots[index].openedAt, slots[index].openedAt)
        }
        return oldest
    }

    var openIndices: [Int] { isOpen.indices.filter { isOpen[$0] } }

    mutating func markFlushing(_ index: Int) {
        guard !slots[index].isFlushing else { return }
        slots[index].isFlushing = true
        flushing.append(slots[index].id)
    }

    /// Lets the host close a link when what it still has to say is written.
    mutating func closeAfterFlush(_ index: Int) {
        slots[index].isClosing = true
        markFlushing(index)
    }
}
