/// One side of a connection: a node's process or a client.
public enum Endpoint: Equatable, Sendable {
    case node(Int)
    case client(Int)

    var number: Int {
        switch self {
        case .node(let node): node
        case .client(let client): 100 + client
        }
    }
}

/// Which side of a connection: 0 dialed, 1 accepted.
typealias ConnectionEnd = Int

/// A TCP connection: two pipes, and what each side knows of its state.
///
/// States of a side: `waiting` (dialed or arriving) -> `open` -> `closed`. A side closes by itself,
/// or learns of the end through an empty chunk in its pipe (FIN), in order after the data; when the
/// connection breaks, data in flight is lost and each side learns of it on its own, maybe late.
struct Connection {
    enum SideState { case waiting, open, closed }

    let number: Int
    let isPeerLink: Bool
    /// Who dialed and who accepted.
    let sides: [Endpoint]
    /// Process incarnations: a message for an earlier life of a node is dropped.
    var lives: [Int]
    var states: [SideState] = [.waiting, .waiting]
    /// `pipes[end]` carries bytes towards `end`.
    var pipes: [Pipe]
    var interposers = [FrameInterposer(), FrameInterposer()]
    /// False while the host has stopped reading (back-pressure): chunks wait in the kernel.
    var isReading = [true, true]
    var isBroken = false

    init(number: Int, isPeerLink: Bool, from: Endpoint, to: Endpoint, life: Int, windowBytes: Int) {
        self.number = number
        self.isPeerLink = isPeerLink
        sides = [from, to]
        lives = [life, 0]
        pipes = [Pipe(windowBytes: windowBytes), Pipe(windowBytes: windowBytes)]
    }

    var isOver: Bool { states[0] == .closed && states[1] == .closed }
}
