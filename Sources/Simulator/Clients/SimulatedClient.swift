public import Bytes
internal import DequeModule

/// How clients behave in a run.
public struct ClientOptions: Equatable, Sendable {
    /// Commands in one pipeline, at most.
    public var pipelineMax = 1
    /// Pause between a pipeline's last reply and the next pipeline.
    public var think: ClosedRange<Interval> = .milliseconds(0) ... .milliseconds(20)
    /// How long a client waits for a reply before it hangs up.
    public var patience = Interval.seconds(15)
    /// The chance, per pipeline, that a client hangs up before the replies are there.
    public var hangUpChance = 0.0
    /// The chance, per pipeline, that the client moves to another node afterwards.
    public var moveChance = 0.02

    public init() {}
}

/// One client: it connects to a node, sends pipelines, reads replies and keeps its workloads informed.
///
/// States: `idle` -> `connecting` -> `ready` (nothing in flight) <-> `waiting` (a pipeline in flight).
/// Losing the connection makes every call in flight unknown and leads back to `idle`.
struct SimulatedClient {
    enum State: Equatable { case idle, connecting, ready, waiting, retired }

    struct InFlight {
        var workload: Int
        var token: Int
        var sent: Moment
        var summary: String
    }

    let number: Int
    var state = State.idle
    var connection = 0
    var node = 0
    /// Rises with every connection: program order holds within one.
    var session = 0
    var inFlight: Deque<InFlight> = []
    var parser = ReplyParser()
    /// Rises with every pipeline, so that late timers are recognised.
    var generation = 0
    /// A number for the final reads when this client makes them.
    var finalRead = 0
    var random: SeededGenerator
    /// Driven by a scenario, call by call, instead of by chance.
    var isManual = false
    /// What a manual client was answered, and whether its connection was lost since it connected.
    var collected: [Reply] = []
    var isLost = false

    init(number: Int, random: SeededGenerator) {
        self.number = number
        self.random = random
    }

    /// The session's number in histories: unique over all clients.
    var sessionNumber: Int { number * 1_000_000 + session }
}
