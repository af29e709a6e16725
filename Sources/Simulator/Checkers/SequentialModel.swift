/// The sequential meaning of one object: what a correct single-threaded store would answer.
public protocol SequentialModel {
    associatedtype State: Hashable
    associatedtype Call
    associatedtype Result

    /// The object before the first call.
    static var initial: State { get }

    /// The state after `call`, or nil when `result` cannot be its answer in `state`. A nil `result`
    /// means that the client never learned the answer.
    static func step(_ state: State, _ call: Call, _ result: Result?) -> State?

    /// Calls of unknown outcome with the same class are interchangeable: the search then tries
    /// only the one that was invoked first. Nil when the call is like no other.
    static func symmetryClass(_ call: Call) -> Int?
}

extension SequentialModel {
    public static func symmetryClass(_ call: Call) -> Int? { nil }
}

/// One call on one object as a client saw it.
public struct HistoryEntry<Call, Result> {
    public var call: Call
    /// Nil when the outcome is unknown.
    public var result: Result?
    public var invoked: Moment
    /// When the answer came; `.never` when the outcome is unknown.
    public var returned: Moment
    /// The client session, for program order: its calls take effect in the order of the history.
    /// Negative: no order binds the call.
    public var session: Int

    public init(
        _ call: Call, _ result: Result?, invoked: Moment, returned: Moment, session: Int
    ) {
        self.call = call
        self.result = result
        self.invoked = invoked
        self.returned = returned
        self.session = session
    }
}

/// A register that is set to unique values and read; it may be deleted, and it may expire.
public enum RegisterModel: SequentialModel {
    public enum Call: Hashable {
        case set(UInt64)
        /// Set with a time to live: from then on the value may vanish at any moment, for ever.
        case setExpiring(UInt64)
        case get
        case delete
    }

    public enum Result: Hashable {
        case ok
        /// Nil: the key was absent.
        case value(UInt64?)
        /// How many keys were deleted.
        case deleted(Int)
    }

    public struct State: Hashable, Sendable {
        var value: UInt64?
        var expiring = false
    }

    public static let initial = State(value: nil)

    public static func step(_ state: State, _ call: Call, _ result: Result?) -> State? {
        switch (call, result) {
        case (.set(let value), .ok), (.set(let value), nil):
            return State(value: value)
        case (.setExpiring(let value), .ok), (.setExpiring(let value), nil):
            return State(value: value, expiring: true)
        case (.get, .value(let seen?)):
            return seen == state.value ? state : nil
        case (.get, .value(nil)):
            return state.value == nil || state.expiring ? State(value: nil) : nil
        case (.get, nil):
            return state
        case (.delete, .deleted(1)):
            return state.value != nil ? State(value: nil) : nil
        case (.delete, .deleted(0)):
            return state.value == nil || state.expiring ? State(value: nil) : nil
        case (.delete, nil):
            return State(value: nil)
        default:
            return nil
        }
    }

    public static func symmetryClass(_ call: Call) -> Int? {
        call == .delete ? 0 : nil
    }
}

/// A counter that only rises by one.
public enum CounterModel: SequentialModel {
    public enum Call: Hashable {
        case increment
        case get
    }

    public static let initial: Int64 = 0

    public static func step(_ state: Int64, _ call: Call, _ result: Int64?) -> Int64? {
        switch call {
        case .increment:
            return result == nil || result == state + 1 ? state + 1 : nil
        case .get:
            return result == nil || result == state ? state : nil
        }
    }

    public static func symmetryClass(_ call: Call) -> Int? {
        call == .increment ? 0 : nil
    }
}

/// A list to which unique elements are appended. The state is the list's content.
public enum ListModel: SequentialModel {
    public enum Call: Hashable {
        case push(UInt64)
        case range
    }

    public enum Result: Hashable {
        case length(Int)
        case elements([UInt64])
    }

    public static let initial: [UInt64] = []

    public static func step(_ state: [UInt64], _ call: Call, _ result: Result?) -> [UInt64]? {
        switch (call, result) {
        case (.push(let element), .length(let length)):
            return length == state.count + 1 ? state + [element] : nil
        case (.push(let element), nil):
            return state + [element]
        case (.range, .elements(let elements)):
            return elements == state ? state : nil
        case (.range, nil):
            return state
        default:
            return nil
        }
    }
}
