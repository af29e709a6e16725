public import Bytes
internal import DequeModule

/// How the network of one run behaves when nothing special happens.
public struct NetworkOptions: Equatable, Sendable {
    /// One-way delay between nodes.
    public var delay: ClosedRange<Interval> = .microseconds(50) ... .microseconds(500)
    /// One-way delay between clients and nodes.
    public var clientDelay: ClosedRange<Interval> = .microseconds(50) ... .microseconds(500)
    /// Now and then a chunk takes much longer.
    public var spikeChance = 0.0
    public var spike: ClosedRange<Interval> = .milliseconds(5) ... .milliseconds(100)
    public var frames = FrameFaults()
    public var livenessLoss = 0.0
    public var livenessDuplicate = 0.0
    /// Chance that a chunk arrives in two parts.
    public var splitChance = 0.05
    /// Bytes in flight per direction, beyond which they wait in the sending host.
    public var windowBytes = 256 << 10

    public init() {}
}

/// The network between nodes, and between clients and nodes: connections, who reaches whom, and
/// messages of pair liveness.
///
/// A blocked direction holds what is in flight; it arrives after the healing (TCP sends again), unless
/// the connection breaks first. Liveness messages over a blocked direction are lost.
struct VirtualNetwork {
    /// Something that the network wants to happen later.
    enum Wish {
        /// Look at the pipe towards `end`.
        case arrival(connection: Int, end: ConnectionEnd)
        /// The dialer learns how its attempt ended; on success the other side is told first.
        case dialEnds(connection: Int)
        /// A side learns that a connection broke.
        case broken(connection: Int, end: ConnectionEnd)
        case heldFrame(connection: Int, end: ConnectionEnd)
        case liveness(from: Int, to: Int, bytes: [UInt8])
    }

    var options: NetworkOptions
    let nodes: Int
    /// Peer links pass through the interposers. Fixed for a run: they must see a stream whole.
    private let interposes: Bool
    /// Kinds of frames that are set aside per direction, and what was set aside.
    private var stashedKinds: [Set<UInt8>]
    private var stashes: [[[UInt8]]]
    private var random: SeededGenerator
    private(set) var counts = FaultCounts()
    private(set) var wishes: [(Wish, Moment)] = []

    private var connections: [Int: Connection] = [:]
    /// Numbers of the connections in `connections`, ascending.
    private(set) var live: [Int] = []
    private var lastNumber = 0

    private var blocked: [Bool]
    private var clogged: [Moment]
    /// Scripted scenarios slow single directions down.
    private var extraDelay: [Interval]

    init(
        nodes: Int, options: NetworkOptions, interposes: Bool = false, random: SeededGenerator
    ) {
        self.nodes = nodes
        self.options = options
        self.interposes = interposes || !options.frames.isNone
        stashedKinds = Array(repeating: [], count: (nodes + 1) * (nodes + 1))
        stashes = Array(repeating: [], count: (nodes + 1) * (nodes + 1))
        self.random = random
        blocked = Array(repeating: false, count: (nodes + 1) * (nodes + 1))
        clogged = Array(repeating: .zero, count: (nodes + 1) * (nodes + 1))
        extraDelay = Array(repeating: Interval(nanoseconds: 0), count: (nodes + 1) * (nodes + 1))
    }

    mutating func takeWishes() -> [(Wish, Moment)] {
        defer { wishes.removeAll(keepingCapacity: true) }
        return wishes
    }

    func connection(_ number: Int) -> Connection? { connections[number] }

    private func index(_ from: Int, _ to: Int) -> Int { from * (nodes + 1) + to }

    // Who reaches whom

    func isBlocked(from: Int, to: Int) -> Bool { blocked[index(from, to)] }

    mutating func block(from: Int, to: Int) { blocked[index(from, to)] = true }

    /// Opens a direction again; what was held goes on.
    mutating func unblock(from: Int, to: Int, now: Moment) {
        guard blocked[index(from, to)] else { return }
        blocked[index(from, to)] = false
        for number in live {
            guard let connection = connections[number] else { continue }
            for end in 0...1
            where connection.sides[1 - end] == .node(from) && connection.sides[end] == .node(to) {
                if !connection.pipes[end].inFlight.isEmpty {
                    wishes.append((.arrival(connection: number, end: end), now))
                }
            }
        }
    }

    /// Delays everything that leaves in a direction from now on until `until`.
    mutating func clog(from: Int, to: Int, until: Moment) { clogged[index(from, to)] = until }

    /// Ends all clogs: also what left before that arrives in the usual time, and dials end in it.
    mutating func unclog(now: Moment) {
        for index in clogged.indices { clogged[index] = .zero }
        let latest = now + options.delay.upperBound
        for number in live {
            guard let connection = connections[number], connection.isPeerLink else { continue }
            if connection.states[0] == .waiting {
                wishes.append((.dialEnds(connection: number), latest + options.delay.upperBound))
            }
            for end in 0...1 where !connection.pipes[end].inFlight.isEmpty {
                connections[number]?.pipes[end].hurry(to: latest)
                wishes.append((.arrival(connection: number, end: end), latest))
            }
        }
    }

    mutating func slowDown(from: Int, to: Int, by extra: Interval) {
        extraDelay[index(from, to)] = extra
    }

    private func isBlocked(_ from: Endpoint, _ to: Endpoint) -> Bool {
        guard case .node(let source) = from, case .node(let target) = to else { return false }
        return isBlocked(from: source, to: target)
    }

    private mutating func delay(_ from: Endpoint, _ to: Endpoint, now: Moment) -> Interval {
        guard case .node(let source) = from, case .node(let target) = to else {
            return random.interval(options.clientDelay)
        }
        var delay = random.interval(options.delay) + extraDelay[index(source, target)]
        if random.happens(options.spikeChance) {
            counts.add(.delayed)
            delay = delay + random.interval(options.spike)
        }
        let clog = clogged[index(source, target)]
        if clog > now { delay = delay + (clog - now) }
        return delay
    }

    // Connections

    /// Starts to connect; `dialEnds` follows.
    mutating func dial(
        from: Endpoint, life: Int, to: Endpoint, isPeerLink: Bool, now: Moment
    ) -> Int {
        lastNumber += 1
        connections[lastNumber] = Connection(
            number: lastNumber, isPeerLink: isPeerLink, from: from, to: to, life: life,
            windowBytes: options.windowBytes)
        live.append(lastNumber)
        var roundTrip = delay(from, to, now: now) + delay(to, from, now: now)
        if isBlocked(from, to) || isBlocked(to, from) { roundTrip = roundTrip + .seconds(1) }
        wishes.append((.dialEnds(connection: lastNumber), now + roundTrip))
        return lastNumber
    }

    /// The attempt is over: `life` is the accepting process, nil when nobody listens.
    /// - Returns: whether the connection is open.
    mutating func dialEnds(_ number: Int, acceptor life: Int?) -> Bool {
        guard var connection = connections[number], connection.states[0] == .waiting else {
            return false
        }
        guard let life, !connection.isBroken,
            !isBlocked(connection.sides[0], connection.sides[1]),
            !isBlocked(connection.sides[1], connection.sides[0])
        else {
            counts.add(.dialRefused)
            forget(number)
            return false
        }
        connection.lives[1] = life
        connection.states = [.open, .open]
        connections[number] = connection
        return true
    }

    /// Sends bytes from the side opposite to `end` towards `end`.
    mutating func send(_ bytes: [UInt8], over number: Int, towards end: ConnectionEnd, now: Moment)
    {
        guard var connection = connections[number], !connection.isBroken else { return }
        connections[number] = nil
        if connection.isPeerLink, interposes {
            if case .node(let source) = connection.sides[1 - end],
                case .node(let target) = connection.sides[end]
            {
                connection.interposers[end].stashedKinds = stashedKinds[index(source, target)]
            }
            let parts = connection.interposers[end].pass(
                bytes, faults: options.frames, random: &random, counts: &counts)
            for part in parts { connection.pipes[end].send(part) }
            if case .node(let source) = connection.sides[1 - end],
                case .node(let target) = connection.sides[end]
            {
                stashes[index(source, target)] += connection.interposers[end].takeStash()
            }
            if connection.interposers[end].isHolding {
                wishes.append(
                    (.heldFrame(connection: number, end: end), now + .milliseconds(20)))
            }
        } else {
            connection.pipes[end].send(bytes)
        }
        connections[number] = connection
        pump(number, end, now: now)
    }

    /// A frame that was held back and that nothing overtook arrives after all.
    mutating func releaseHeldFrame(_ number: Int, towards end: ConnectionEnd, now: Moment) {
        guard let frame = connections[number]?.interposers[end].releaseHeld() else { return }
        connections[number]?.pipes[end].send(frame)
        pump(number, end, now: now)
    }

    /// Sets frames of these kinds aside in a direction, from now on. Needs interposers.
    mutating func stash(kinds: Set<UInt8>, from: Int, to: Int) {
        invariant(interposes, "frames can not be told apart without interposers")
        stashedKinds[index(from, to)] = kinds
    }

    /// How many frames were set aside.
    func stashed(from: Int, to: Int) -> Int { stashes[index(from, to)].count }

    /// What was set aside is lost, and nothing more is set aside.
    mutating func dropStash(from: Int, to: Int) {
        stashedKinds[index(from, to)] = []
        stashes[index(from, to)] = []
    }

    /// The oldest of what was set aside is lost; what comes goes on being set aside.
    mutating func dropStash(from: Int, to: Int, first: Int) {
        stashes[index(from, to)].removeFirst(min(first, stashes[index(from, to)].count))
    }

    /// Delivers what was set aside, over whatever connection there is now.
    /// - Parameter first: only so many, the oldest; what comes goes on being set aside then.
    mutating func releaseStash(from: Int, to: Int, first: Int? = nil, now: Moment) {
        let frames = stashes[index(from, to)].prefix(first ?? .max)
        stashes[index(from, to)].removeFirst(frames.count)
        if first == nil { stashedKinds[index(from, to)] = [] }
        for number in live {
            guard let connection = connections[number], connection.isPeerLink,
                connection.states == [.open, .open], !connection.isBroken
            else { continue }
            for end in 0...1
            where connection.sides[1 - end] == .node(from) && connection.sides[end] == .node(to) {
                for frame in frames { connections[number]?.pipes[end].send(frame) }
                pump(number, end, now: now)
                return
            }
        }
    }

    private mutating func pump(_ number: Int, _ end: ConnectionEnd, now: Moment) {
        guard var connection = connections[number] else { return }
        let source = connection.sides[1 - end]
        let target = connection.sides[end]
        connections[number] = nil
        let arrivals = connection.pipes[end].pump(now: now) { delay(source, target, now: now) }
        connections[number] = connection
        for arrival in arrivals {
            wishes.append((.arrival(connection: number, end: end), arrival))
        }
    }

    /// What a look at a pipe found.
    enum Arrival {
        case nothing
        case bytes([UInt8])
        case end
    }

    /// Takes the next chunk that has arrived at `end`.
    mutating func takeArrival(_ number: Int, at end: ConnectionEnd, now: Moment) -> Arrival {
        guard let connection = connections[number], !connection.isBroken,
            connection.states[end] == .open, connection.isReading[end]
        else { return .nothing }
        if isBlocked(connection.sides[1 - end], connection.sides[end]) {
            counts.add(.framesHeld)
            return .nothing
        }
        if let first = connection.pipes[end].inFlight.first, first.bytes.count > 1,
            random.happens(options.splitChance)
        {
            connections[number]?.pipes[end].splitFirst(
                at: random.integer(1...first.bytes.count - 1))
            let delay = random.interval(.microseconds(1) ... .microseconds(300))
            wishes.append((.arrival(connection: number, end: end), now + delay))
        }
        guard let bytes = connections[number]?.pipes[end].arrived(now: now) else { return .nothing }
        pump(number, end, now: now)
        // Chunks that were held by a blocked direction come one after the other.
        if let next = connections[number]?.pipes[end].inFlight.first, next.arrival <= now {
            wishes.append((.arrival(connection: number, end: end), now))
        }
        if bytes.isEmpty {
            connections[number]?.states[end] = .closed
            forgetIfOver(number)
            return .end
        }
        return .bytes(bytes)
    }

    /// Stops or resumes reading at `end`.
    mutating func setReading(_ isReading: Bool, _ number: Int, at end: ConnectionEnd, now: Moment) {
        connections[number]?.isReading[end] = isReading
        if isReading, let pipe = connections[number]?.pipes[end] {
            for chunk in pipe.inFlight {
                wishes.append((.arrival(connection: number, end: end), max(now, chunk.arrival)))
            }
        }
    }

    /// Bytes that wait in the host of the side opposite to `end`.
    func unsentBytes(_ number: Int, towards end: ConnectionEnd) -> Int {
        connections[number]?.pipes[end].unsentBytes ?? 0
    }

    /// The side `end` closes: what it sent before still arrives, then the other side learns.
    mutating func close(_ number: Int, by end: ConnectionEnd, now: Moment) {
        guard let connection = connections[number], connection.states[end] != .closed else {
            return
        }
        connections[number]?.states[end] = .closed
        connections[number]?.pipes[end].removeAll()
        if connection.states[1 - end] == .open, !connection.isBroken {
            connections[number]?.pipes[1 - end].finish()
            pump(number, 1 - end, now: now)
        }
        forgetIfOver(number)
    }

    /// The connection breaks: data in flight is lost; each side learns after a delay of its own.
    mutating func breakConnection(_ number: Int, now: Moment, halfOpenChance: Double) {
        guard let connection = connections[number], !connection.isBroken else { return }
        connections[number]?.isBroken = true
        for end in 0...1 where connection.states[end] == .open {
            connections[number]?.pipes[end].removeAll()
            var notice = random.interval(.microseconds(100) ... .milliseconds(5))
            if random.happens(halfOpenChance) {
                notice = random.interval(.milliseconds(100) ... .seconds(4))
                counts.add(.halfOpen)
            }
            wishes.append((.broken(connection: number, end: end), now + notice))
        }
    }

    /// Whoever has not learned yet that a connection broke does so now: what it sends on it reaches a
    /// machine again that knows of no such connection, and says so.
    mutating func tellBroken(now: Moment) {
        for number in live where connections[number]?.isBroken == true {
            for end in 0...1 where connections[number]?.states[end] == .open {
                let notice = random.interval(.microseconds(100) ... .milliseconds(5))
                wishes.append((.broken(connection: number, end: end), now + notice))
            }
        }
    }

    /// The side learns that the connection broke. Returns false when it has closed before.
    mutating func noticeBroken(_ number: Int, at end: ConnectionEnd) -> Bool {
        guard connections[number]?.states[end] == .open else { return false }
        connections[number]?.states[end] = .closed
        forgetIfOver(number)
        return true
    }

    /// The process behind `endpoint` is gone. Its kernel closes its connections; when the machine
    /// lost power nobody does, and the others notice late.
    mutating func processDied(_ endpoint: Endpoint, silently: Bool, now: Moment) {
        for number in live {
            guard let connection = connections[number] else { continue }
            for end in 0...1 where connection.sides[end] == endpoint {
                if connection.states[end] == .waiting {
                    // Who dials a dead process is refused in time.
                    if end == 0 { forget(number) }
                } else if silently {
                    connections[number]?.states[end] = .closed
                    breakConnection(number, now: now, halfOpenChance: 0.7)
                    forgetIfOver(number)
                } else {
                    close(number, by: end, now: now)
                }
            }
        }
    }

    private mutating func forgetIfOver(_ number: Int) {
        if connections[number]?.isOver == true { forget(number) }
    }

    private mutating func forget(_ number: Int) {
        connections[number] = nil
        live.removeAll { $0 == number }
    }

    // Pair liveness

    /// Sends a liveness message: lost, delayed or doubled, never reordered beyond its delay.
    mutating func sendLiveness(from: Int, to: Int, bytes: [UInt8], now: Moment) {
        if isBlocked(from: from, to: to) || random.happens(options.livenessLoss) {
            counts.add(.livenessDropped)
            return
        }
        let wish = Wish.liveness(from: from, to: to, bytes: bytes)
        wishes.append((wish, now + delay(.node(from), .node(to), now: now)))
        if random.happens(options.livenessDuplicate) {
            counts.add(.livenessDuplicated)
            let late = random.interval(.milliseconds(1) ... .seconds(2))
            wishes.append((wish, now + late))
        }
    }
}
