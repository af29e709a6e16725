public import Bytes

/// How a call ended in the eyes of the client that made it.
public enum Outcome: Equatable, Sendable {
    /// An answer: not an error, or an error that says what a correct store would say.
    case reply(Reply)
    /// Certainly not executed, and never will be: CLUSTERDOWN, TRYAGAIN and the like.
    case rejected(String)
    /// Nobody knows: UNCERTAIN, or the connection was lost, or the client gave up.
    case unknown

    /// What a reply means for the call that it answers.
    public init(of reply: Reply) {
        guard case .error(let text) = reply else {
            self = .reply(reply)
            return
        }
        if text.hasPrefix("UNCERTAIN") {
            self = .unknown
        } else if Self.refusals.contains(where: { text.hasPrefix($0 + " ") }) {
            self = .rejected(text)
        } else {
            self = .reply(reply)
        }
    }

    private static let refusals = [
        "CLUSTERDOWN", "TRYAGAIN", "LOADING", "BUSY", "OOM", "MISCONF",
    ]
}

/// A call that a workload wants made; `token` comes back with its outcome.
public struct Call: Sendable {
    public var command: ClientCommand
    public var token: Int

    public init(_ command: ClientCommand, token: Int) {
        self.command = command
        self.token = token
    }
}

/// A promise that was broken.
public struct Violation: Equatable, Sendable, CustomStringConvertible {
    /// The checker that found it.
    public var checker: String
    public var text: String

    public init(_ checker: String, _ text: String) {
        self.checker = checker
        self.text = text
    }

    public var description: String { "\(checker): \(text)" }
}

/// What clients do, and how to tell afterwards whether they were treated right.
///
/// A workload is one file: `step` makes calls, `finish` hears how they ended, `finalReads` looks at
/// everything once the cluster is whole again, `check` judges. Sessions of several clients share one
/// workload. A new workload is added to `WorkloadKind`.
public protocol Workload: AnyObject {
    var name: String { get }

    /// The next call of `session`, made at `now`.
    func step(session: Int, now: Moment, random: inout SeededGenerator) -> Call

    /// The call with this token ended.
    func finish(_ token: Int, _ outcome: Outcome, now: Moment)

    /// What was acknowledged so far may be lost from now on: what comes is judged by itself.
    func beginAnew()

    /// Reads of everything, made after all other calls have ended.
    func finalRead(_ number: Int, session: Int, now: Moment) -> Call?

    /// What was wrong, and how many objects could not be decided.
    func check() -> WorkloadVerdict
}

/// What a workload's check found.
public struct WorkloadVerdict: Sendable {
    public var violations: [Violation] = []
    /// Calls that were answered.
    public var answered = 0
    /// Calls that were certainly not executed.
    public var rejected = 0
    /// Calls of unknown outcome.
    public var unknown = 0
    /// Objects whose history the search gave up on.
    public var undecided = 0

    public init() {}
}
