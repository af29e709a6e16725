internal import Bytes

/// A small set of integers, ascending, in one allocation.
///
///     capacity 4 | count 4 | integers 8 x capacity
///
/// A handle, not an owner, as `Listpack` is: a change may move it. Empty without memory.
@safe
struct IntegerRun {
    // @safe: every index is checked against the count; freed by the owner alone.
    private var block: UnsafeMutableRawPointer?

    private static let headerBytes = 8

    init() { unsafe block = nil }

    /// The run behind an address that `address` gave; 0 is the empty one.
    init(address: UInt) { unsafe block = UnsafeMutableRawPointer(bitPattern: address) }

    var address: UInt { unsafe UInt(bitPattern: block) }

    private var capacity: Int {
        unsafe block.map { unsafe Int($0.load(as: UInt32.self)) } ?? 0
    }

    /// Integers held.
    private(set) var count: Int {
        get { unsafe block.map { unsafe Int($0.load(fromByteOffset: 4, as: UInt32.self)) } ?? 0 }
        nonmutating set {
            unsafe block!.storeBytes(of: UInt32(newValue), toByteOffset: 4, as: UInt32.self)
        }
    }

    private var numbers: UnsafeMutablePointer<Int64> {
        unsafe (block! + Self.headerBytes).assumingMemoryBound(to: Int64.self)
    }

    /// What the run takes of the heap.
    var allocatedBytes: Int {
        unsafe block == nil ? 0 : HeapBlock.bytes(Self.headerBytes + capacity * 8)
    }

    subscript(index: Int) -> Int64 {
        invariant(index >= 0 && index < count, "integer out of range")
        return unsafe numbers[index]
    }

    /// The first integer that is not below `number`, and whether it is that.
    func search(_ number: Int64) -> (index: Int, found: Bool) {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < number { low = middle + 1 } else { high = middle }
        }
        return (low, low < count && self[low] == number)
    }

    /// Puts an integer in front of the one at `index`, where the order wants it.
    mutating func insert(_ number: Int64, at index: Int) {
        let before = count
        invariant(index >= 0 && index <= before, "integer out of range")
        if before == capacity { resize(to: before < 64 ? before + 1 : before + before / 4) }
        unsafe (numbers + index + 1).update(from: numbers + index, count: before - index)
        unsafe numbers[index] = number
        count = before + 1
    }

    mutating func remove(at index: Int) {
        let rest = count - 1
        invariant(index >= 0 && index <= rest, "integer out of range")
        unsafe (numbers + index).update(from: numbers + index + 1, count: rest - index)
        count = rest
        if rest == 0 { return destroy() }
        if capacity > 16, rest < capacity / 4 { resize(to: rest * 2) }
    }

    private mutating func resize(to wanted: Int) {
        var moved = allocated(wanted)
        let count = count
        if count > 0 { unsafe moved.numbers.update(from: numbers, count: count) }
        moved.count = count
        destroy()
        swap(&self, &moved)
    }

    private func allocated(_ wanted: Int) -> IntegerRun {
        let room = HeapBlock.usable(Self.headerBytes + max(wanted, 1) * 8) - Self.headerBytes
        var run = IntegerRun()
        let block = UnsafeMutableRawPointer.allocate(
            byteCount: Self.headerBytes + room / 8 * 8, alignment: 8)
        unsafe block.storeBytes(of: UInt32(room / 8), as: UInt32.self)
        unsafe run.block = block
        run.count = 0
        return run
    }

    /// A copy of its own.
    func copied() -> IntegerRun {
        guard count > 0 else { return IntegerRun() }
        let copy = allocated(count)
        unsafe copy.numbers.update(from: numbers, count: count)
        copy.count = count
        return copy
    }

    /// Frees the memory; the run is empty then.
    mutating func destroy() {
        unsafe block?.deallocate()
        unsafe block = nil
    }

    /// Whether the integers ascend; for tests and the simulator.
    func checkInvariants() {
        for index in 0..<max(count - 1, 0) {
            invariant(self[index] < self[index + 1], "an intset does not ascend")
        }
    }
}
