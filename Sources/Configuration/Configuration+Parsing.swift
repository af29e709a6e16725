// The configuration file: one directive a line, name and value in words as `QuotedWords` splits
// them; `#` begins a comment line. A directive given twice counts as given last. The command line's
// directives come after the file's.

internal import Bytes

extension Configuration {
    /// Parses a file's text and then the command line's directives, and checks that all agree.
    ///
    /// - Parameters:
    ///   - text: the file's contents; empty when there is none.
    ///   - name: the file's name, for errors.
    ///   - overrides: directives of the command line: see `overrides(from:)`.
    ///   - include: returns the contents of a file named by `include`, nil when it cannot be read.
    public static func parse(
        file text: String, name: String, overrides: [(String, String)] = [],
        include: (String) -> String? = { _ in nil }
    ) throws(ConfigurationError) -> Configuration {
        var parser = ConfigurationParser()
        try parser.readFile(text, name, depth: 0, include)
        for (name, value) in overrides { try parser.override(name, value) }
        try parser.checkAgreement()
        return parser.configuration
    }

    /// The directives among a command line's arguments: `--name value ...` and `--name=value`.
    public static func overrides(
        from arguments: [String]
    ) throws(ConfigurationError) -> [(String, String)] {
        var overrides: [(String, String)] = []
        var hasValue = true
        for argument in arguments {
            if argument.hasPrefix("--") {
                guard hasValue else { throw missingValue(overrides.last!.0) }
                let words = argument.dropFirst(2).split(
                    separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                overrides.append((String(words[0]), words.count > 1 ? String(words[1]) : ""))
                hasValue = words.count > 1
            } else if overrides.isEmpty {
                throw ConfigurationError(
                    file: "command line", line: 0, directive: argument,
                    reason: "a directive begins with '--'")
            } else {
                let previous = overrides[overrides.count - 1].1
                overrides[overrides.count - 1].1 = hasValue ? "\(previous) \(argument)" : argument
                hasValue = true
            }
        }
        guard hasValue else { throw missingValue(overrides.last!.0) }
        return overrides
    }

    private static func missingValue(_ name: String) -> ConfigurationError {
        ConfigurationError(
            file: "command line", line: 0, directive: "--\(name)", reason: "a value is missing")
    }
}

private struct ConfigurationParser {
    struct Place {
        var file: String
        var line: Int
        var directive: String

        func error(_ reason: String) -> ConfigurationError {
            ConfigurationError(file: file, line: line, directive: directive, reason: reason)
        }
    }

    static let includeDepthMax = 16
    static let lineBytesMax = 64 << 10

    var configuration = Configuration()
    /// Where each directive was set last, in the order of setting.
    private var places: [(name: String, place: Place)] = []

    mutating func readFile(
        _ text: String, _ file: String, depth: Int, _ include: (String) -> String?
    ) throws(ConfigurationError) {
        var number = 0
        // By bytes: a '\r' before the '\n' would be part of one Character with it.
        for line in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false) {
            number += 1
            var place = Place(file: file, line: number, directive: "")
            let words = try Self.words(of: Array(line), place)
            guard let first = words.first else { continue }
            place.directive = words.joined(separator: " ")
            guard first.lowercased() == "include" else {
                try set(first, Array(words.dropFirst()), place)
                continue
            }
            guard words.count == 2 else { throw place.error("wrong number of arguments") }
            guard depth < Self.includeDepthMax else {
                throw place.error("files include each other too deeply")
            }
            guard let included = include(words[1]) else {
                throw place.error("the file cannot be read")
            }
            try readFile(included, words[1], depth: depth + 1, include)
        }
    }

    mutating func override(_ name: String, _ value: String) throws(ConfigurationError) {
        let place = Place(file: "command line", line: 0, directive: "\(name) \(value)")
        let takesWords = Directive.named(name)?.takesWords ?? false
        try set(name, takesWords ? Configuration.words(of: value) : [value], place)
    }

    private mutating func set(
        _ name: String, _ words: [String], _ place: Place
    ) throws(ConfigurationError) {
        guard let directive = Directive.named(name) else {
            guard Directive.ignored.contains(name.lowercased()) else {
                throw place.error("unknown directive")
            }
            let line = place.line > 0 ? "\(place.file):\(place.line)" : place.file
            configuration.ignoredDirectives.append(
                "\(line): '\(place.directive)' has no effect in Skein")
            return
        }
        guard directive.takesWords ? !words.isEmpty : words.count == 1 else {
            throw place.error("wrong number of arguments")
        }
        // An empty word stands for an empty list.
        let values = directive.takesWords ? words.filter { !$0.isEmpty } : words
        do {
            try directive.write(&configuration, values)
        } catch {
            throw place.error(error.reason)
        }
        places.removeAll { $0.name == directive.name }
        places.append((directive.name, place))
    }

    /// Throws where directives contradict each other, at the place that was set last.
    func checkAgreement() throws(ConfigurationError) {
        guard let conflict = configuration.conflict else { return }
        let place = places.last { conflict.directives.contains($0.name) }?.place
        throw (place ?? Place(file: "defaults", line: 0, directive: "")).error(conflict.reason)
    }

    private static func words(of line: [UInt8], _ place: Place) throws(ConfigurationError)
        -> [String]
    {
        guard let first = line.first(where: { !QuotedWords.isSpace($0) }),
            first != UInt8(ascii: "#")
        else { return [] }
        guard line.count <= lineBytesMax else { throw place.error("the line is too long") }
        var words: [String] = []
        var splitter = QuotedWords(line.span)
        while true {
            var word = ByteBuffer()
            switch splitter.next(into: &word) {
            case .end: return words
            case .unbalancedQuotes: throw place.error("unbalanced quotes")
            case .word:
                guard let text = String(validating: word.copyBytes(), as: UTF8.self) else {
                    throw place.error("the line is not UTF-8")
                }
                words.append(text)
            }
        }
    }
}

extension Configuration {
    /// The words of one value that holds a list, at the command line and in CONFIG SET.
    static func words(of value: String) -> [String] {
        let words = value.split { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r" }
        return words.isEmpty ? [""] : words.map(String.init)
    }
}
