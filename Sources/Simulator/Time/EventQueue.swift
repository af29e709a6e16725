internal import Bytes

/// What will happen, ordered by time and, at equal times, by the order of scheduling.
///
/// The second key makes the order total: two runs of one seed take events in the same order. A
/// binary heap; events are never removed early, their receivers recognise stale ones.
public struct EventQueue<Event> {
    private struct Item {
        var time: Moment
        var sequence: UInt64
        var event: Event

        func precedes(_ other: Item) -> Bool {
            time != other.time ? time < other.time : sequence < other.sequence
        }
    }

    private var heap: [Item] = []
    private var scheduled: UInt64 = 0

    public init() {}

    public var count: Int { heap.count }

    /// When the next event happens; nil when nothing is left.
    public var nextTime: Moment? { heap.first?.time }

    /// Adds an event. O(log n).
    public mutating func schedule(_ event: Event, at time: Moment) {
        heap.append(Item(time: time, sequence: scheduled, event: event))
        scheduled += 1
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].precedes(heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes the earliest event. O(log n).
    public mutating func next() -> (time: Moment, event: Event)? {
        guard !heap.isEmpty else { return nil }
        heap.swapAt(0, heap.count - 1)
        let first = heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            let left = 2 * parent + 1
            if left < heap.count, heap[left].precedes(heap[least]) { least = left }
            if left + 1 < heap.count, heap[left + 1].precedes(heap[least]) { least = left + 1 }
            guard least != parent else { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return (first.time, first.event)
    }
}
