internal import Bytes

/// A name that an operator can set, and how it is read and written. The table is `Directive.all`.
public struct Directive: Sendable {
    /// When a value can change.
    public enum Change: Sendable {
        /// By CONFIG SET, too.
        case atRunTime
        /// Only by a restart.
        case atStart
        /// Never: one value is possible, and clients may ask for it.
        case never
    }

    /// Lower case.
    public let name: String
    public let change: Change
    /// What it decides, in one line, for `--help`.
    public let summary: String
    /// Whether the value is a list of words rather than one.
    let takesWords: Bool
    /// The value as CONFIG GET prints it.
    let read: @Sendable (Configuration) -> String
    /// Sets the value. One word unless `takesWords`.
    let write: @Sendable (inout Configuration, [String]) throws(ValueError) -> Void

    /// The default as CONFIG GET prints it.
    public var defaultValue: String { read(Configuration()) }
}

// The kinds of values.
extension Directive {
    static func integer(
        _ name: String, _ field: any WritableKeyPath<Configuration, Int> & Sendable,
        _ range: ClosedRange<Int>, _ change: Change, _ summary: String
    ) -> Directive {
        Directive(
            name: name, change: change, summary: summary, takesWords: false,
            read: { String($0[keyPath: field]) },
            write: { (configuration, words) throws(ValueError) in
                guard let value = strictInteger(words[0]) else {
                    throw ValueError("argument couldn't be parsed into an integer")
                }
                try check(value, in: range)
                configuration[keyPath: field] = value
            })
    }

    static func bytes(
        _ name: String, _ field: any WritableKeyPath<Configuration, Int> & Sendable,
        _ range: ClosedRange<Int>, _ change: Change, _ summary: String
    ) -> Directive {
        Directive(
            name: name, change: change, summary: summary, takesWords: false,
            read: { String($0[keyPath: field]) },
            write: { (configuration, words) throws(ValueError) in
                guard let value = memoryValue(words[0]) else {
                    throw ValueError("argument must be a memory value")
                }
                try check(value, in: range)
                configuration[keyPath: field] = value
            })
    }

    static func milliseconds(
        _ name: String, _ field: any WritableKeyPath<Configuration, Interval> & Sendable,
        _ range: ClosedRange<Int>, _ change: Change, _ summary: String
    ) -> Directive {
        Directive(
            name: name, change: change, summary: summary, takesWords: false,
            read: { String($0[keyPath: field].milliseconds) },
            write: { (configuration, words) throws(ValueError) in
                guard let value = strictInteger(words[0]) else {
                    throw ValueError("argument couldn't be parsed into an integer")
                }
                try check(value, in: range)
                configuration[keyPath: field] = .milliseconds(Int64(value))
            })
    }

    static func flag(
        _ name: String, _ field: any WritableKeyPath<Configuration, Bool> & Sendable,
        _ change: Change, _ summary: String
    ) -> Directive {
        Directive(
            name: name, change: change, summary: summary, takesWords: false,
            read: { $0[keyPath: field] ? "yes" : "no" },
            write: { (configuration, words) throws(ValueError) in
                switch words[0].lowercased() {
                case "yes": configuration[keyPath: field] = true
                case "no": configuration[keyPath: field] = false
                default: throw ValueError("argument must be 'yes' or 'no'")
                }
            })
    }

    static func choice<Value: RawRepresentable<String> & CaseIterable & Sendable>(
        _ name: String, _ field: any WritableKeyPath<Configuration, Value> & Sendable,
        _ change: Change, _ summary: String
    ) -> Directive {
        Directive(
            name: name, change: change, summary: summary, takesWords: false,
            read: { $0[keyPath: field].rawValue },
            write: { (configuration, words) throws(ValueError) in
                guard let value = Value(rawValue: words[0].lowercased()) else {
                    let names = Value.allCases.map(\.rawValue).joined(separator: ", ")
                    throw ValueError("argument(s) must be one of the following: \(names)")
                }
                configuration[keyPath: field] = value
            })
    }

    static func text(
        _ name: String, _ field: any WritableKeyPath<Configuration, String> & Sendable,
        _ change: Change, _ summary: String,
        check: @escaping @Sendable (String) throws(ValueError) -> Void = { _ in }
    ) -> Directive {
        Directive(
            name: name, change: change, summary: summary, takesWords: false,
            read: { $0[keyPath: field] },
            write: { (configuration, words) throws(ValueError) in
                try check(words[0])
                configuration[keyPath: field] = words[0]
            })
    }

    static func words(
        _ name: String, _ change: Change, _ summary: String,
        read: @escaping @Sendable (Configuration) -> String,
        write: @escaping @Sendable (inout Configuration, [String]) throws(ValueError) -> Void
    ) -> Directive {
        Directive(
            name: name, change: change, summary: summary, takesWords: true, read: read,
            write: write)
    }

    /// A directive of Redis that has one possible value here; `reason` tells why.
    static func fixed(_ name: String, _ value: String, _ reason: String) -> Directive {
        Directive(
            name: name, change: .never, summary: reason, takesWords: true, read: { _ in value },
            write: { (_, words) throws(ValueError) in
                guard words.joined(separator: " ").lowercased() == value else {
                    throw ValueError("only '\(value)' is possible: \(reason)")
                }
            })
    }

    private static func check(_ value: Int, in range: ClosedRange<Int>) throws(ValueError) {
        guard range.contains(value) else {
            throw ValueError(
                "argument must be between \(range.lowerBound) and \(range.upperBound) inclusive")
        }
    }
}
