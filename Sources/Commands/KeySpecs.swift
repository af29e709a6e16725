public import RESP

/// What a command does with a key, in the order in which COMMAND INFO prints it.
public struct KeyFlags: OptionSet, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    private init(bit: UInt16) { rawValue = 1 << bit }

    /// Reads and writes, reads, overwrites or removes the key itself.
    public static let ro = KeyFlags(bit: 0)
    public static let rw = KeyFlags(bit: 1)
    public static let ow = KeyFlags(bit: 2)
    public static let rm = KeyFlags(bit: 3)
    /// Returns, changes, adds or deletes user data within it.
    public static let access = KeyFlags(bit: 4)
    public static let update = KeyFlags(bit: 5)
    public static let insert = KeyFlags(bit: 6)
    public static let delete = KeyFlags(bit: 7)
    public static let notKey = KeyFlags(bit: 8)
    public static let incomplete = KeyFlags(bit: 9)
    public static let variableFlags = KeyFlags(bit: 10)

    static let names: [StaticString] = [
        "RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete",
        "variable_flags",
    ]
}

/// One run of keys among a command's arguments.
public struct KeySpec: Sendable {
    enum Search: UInt8, Sendable {
        /// From `begin` to `last` (counted from `begin`, or from the end when negative).
        case range
        /// At `begin` stands how many keys follow it.
        case counted
    }

    let flags: KeyFlags
    let search: Search
    let begin: Int8
    let last: Int8
    let step: Int8
    /// Place in `notesTexts` plus one: a text in here would make every spec longer.
    private let notesNumber: UInt8

    private static let notesTexts: [StaticString] = [
        "RW and ACCESS due to the optional `GET` argument",
        "RW and UPDATE because it changes the TTL",
    ]

    /// What COMMAND INFO says about the flags.
    var notes: StaticString? { notesNumber == 0 ? nil : Self.notesTexts[Int(notesNumber) - 1] }

    private init(
        _ flags: KeyFlags, _ search: Search, _ begin: Int8, last: Int8, step: Int8, notes: UInt8
    ) {
        self.flags = flags
        self.search = search
        self.begin = begin
        self.last = last
        self.step = step
        notesNumber = notes
    }

    /// The key of SET and of GETEX, with notes.
    static let ofSet = KeySpec(
        [.rw, .access, .update, .variableFlags], .range, 1, last: 0, step: 1, notes: 1)
    static let ofGetex = KeySpec([.rw, .access, .update], .range, 1, last: 0, step: 1, notes: 2)

    /// One key at position `begin`.
    public static func at(_ begin: Int8, _ flags: KeyFlags) -> KeySpec {
        KeySpec(flags, .range, begin, last: 0, step: 1, notes: 0)
    }

    /// Keys from position `begin` to the argument `last` (-1: the last one), every `step`-th.
    public static func from(_ begin: Int8, to last: Int8, step: Int8 = 1, _ flags: KeyFlags)
        -> KeySpec
    {
        KeySpec(flags, .range, begin, last: last, step: step, notes: 0)
    }

    /// As many keys as the number at position `begin` says, behind it.
    public static func counted(at begin: Int8, _ flags: KeyFlags) -> KeySpec {
        KeySpec(flags, .counted, begin, last: 0, step: 1, notes: 0)
    }
}

/// The runs of keys of a command.
public struct KeySpecs: Sendable {
    let first: KeySpec?
    let second: KeySpec?

    public static let none = KeySpecs(first: nil, second: nil)

    public static func one(_ spec: KeySpec) -> KeySpecs { KeySpecs(first: spec, second: nil) }

    public static func two(_ first: KeySpec, _ second: KeySpec) -> KeySpecs {
        KeySpecs(first: first, second: second)
    }

    var count: Int { (first == nil ? 0 : 1) + (second == nil ? 0 : 1) }

    /// First, last and step as the COMMAND of old Redis tells them; zeros when the arguments must
    /// be looked at.
    var legacyRange: (first: Int, last: Int, step: Int) {
        guard let first, first.search == .range else { return (0, 0, 0) }
        let begin = Int(first.begin)
        func last(_ spec: KeySpec) -> Int {
            spec.last >= 0 ? Int(spec.begin) + Int(spec.last) : Int(spec.last)
        }
        guard let second, second.search == .range, first.last == 0 else {
            return (begin, last(first), Int(first.step))
        }
        return (begin, last(second), 1)
    }

    /// Calls `body` with the position of every key of `request`, in order; returns false, without a
    /// call, when the arguments contradict themselves (a key count that is no number, or too large):
    /// such a request can run anywhere, its handler replies the error.
    ///
    /// - Parameter start: where the command begins in `request`; not 0 for COMMAND GETKEYS.
    public func forEachKey(
        of request: borrowing Request, from start: Int = 0, _ body: (Int) -> Void
    ) -> Bool {
        guard Self.isSound(first, request, start), Self.isSound(second, request, start) else {
            return false
        }
        Self.visit(first, request, start, body)
        Self.visit(second, request, start, body)
        return true
    }

    private static func isSound(
        _ spec: KeySpec?, _ request: borrowing Request, _ start: Int
    ) -> Bool {
        guard let spec else { return true }
        let begin = start + Int(spec.begin)
        guard begin < request.count else { return false }
        guard spec.search == .counted else { return true }
        guard let count = request.integer(at: begin), count > 0 else { return false }
        return count <= request.count - begin - 1
    }

    private static func visit(
        _ spec: KeySpec?, _ request: borrowing Request, _ start: Int, _ body: (Int) -> Void
    ) {
        guard let spec else { return }
        let begin = start + Int(spec.begin)
        switch spec.search {
        case .range:
            let last = spec.last >= 0 ? begin + Int(spec.last) : request.count + Int(spec.last)
            var position = begin
            while position <= last, position < request.count {
                body(position)
                position += Int(spec.step)
            }
        case .counted:
            guard let count = request.integer(at: begin) else { return }
            for key in 1...Int(count) { body(begin + key) }
        }
    }
}
