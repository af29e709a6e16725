internal import Bytes
internal import DequeModule

/// One direction of a connection: an ordered byte stream with delay.
///
/// Layout: `unsent | in flight ...> arrived`. At most `windowBytes` are in flight; what is beyond
/// waits in the sender's host, as it would in a socket that is full. Chunks arrive in order, never
/// closer together than they were sent.
///
/// Invariant: arrival times do not decrease along the queue.
struct Pipe {
    struct Chunk {
        var arrival: Moment
        var bytes: [UInt8]
    }

    private(set) var inFlight: Deque<Chunk> = []
    private(set) var inFlightBytes = 0
    private(set) var unsent: Deque<[UInt8]> = []
    private(set) var unsentBytes = 0
    private var lastArrival = Moment.zero
    let windowBytes: Int

    init(windowBytes: Int) { self.windowBytes = windowBytes }

    /// Whether anything is on its way.
    var isEmpty: Bool { inFlight.isEmpty && unsent.isEmpty }

    /// Hands over bytes; they leave at the next `pump`.
    mutating func send(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        unsent.append(bytes)
        unsentBytes += bytes.count
    }

    /// The sender is done: an empty chunk after everything else tells the receiver.
    mutating func finish() { unsent.append([]) }

    /// Moves unsent bytes on their way while the window has room. `delay` is drawn once a chunk.
    /// - Returns: the arrival times of the chunks that left.
    mutating func pump(now: Moment, delay: () -> Interval) -> [Moment] {
        var arrivals: [Moment] = []
        while let bytes = unsent.first,
            inFlightBytes == 0 || inFlightBytes + bytes.count <= windowBytes
        {
            unsent.removeFirst()
            unsentBytes -= bytes.count
            inFlightBytes += bytes.count
            let arrival = max(lastArrival, now + delay())
            lastArrival = arrival
            inFlight.append(Chunk(arrival: arrival, bytes: bytes))
            arrivals.append(arrival)
        }
        return arrivals
    }

    /// What is on its way arrives by `moment` at the latest.
    mutating func hurry(to moment: Moment) {
        lastArrival = min(lastArrival, moment)
        for index in inFlight.indices {
            inFlight[index].arrival = min(inFlight[index].arrival, moment)
        }
    }

    /// Takes the next chunk that has arrived by `now`.
    mutating func arrived(now: Moment) -> [UInt8]? {
        guard let first = inFlight.first, first.arrival <= now else { return nil }
        inFlight.removeFirst()
        inFlightBytes -= first.bytes.count
        return first.bytes
    }

    /// Splits the first chunk so that only `count` bytes arrive now and the rest right after.
    mutating func splitFirst(at count: Int) {
        guard let first = inFlight.first, count > 0, count < first.bytes.count else { return }
        inFlight.removeFirst()
        inFlight.prepend(Chunk(arrival: first.arrival, bytes: Array(first.bytes[count...])))
        inFlight.prepend(Chunk(arrival: first.arrival, bytes: Array(first.bytes[..<count])))
    }

    /// Everything on the way is lost.
    mutating func removeAll() {
        inFlight.removeAll()
        unsent.removeAll()
        inFlightBytes = 0
        unsentBytes = 0
    }
}
