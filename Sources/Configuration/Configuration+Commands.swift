// CONFIG GET and CONFIG SET; behaviour and texts of redis-server 7.0.

/// Why CONFIG SET changed nothing; the texts are Redis's.
public enum ConfigSetError: Error, Equatable, Sendable {
    /// A name without a value.
    case syntax
    /// No directive has this name.
    case unknown(String)
    case failed(directive: String, reason: String)

    /// The reply's text, its code included.
    public var reply: String {
        switch self {
        case .syntax: "ERR syntax error"
        case .unknown(let name):
            "ERR Unknown option or number of arguments for CONFIG SET - '\(name)'"
        case .failed(let directive, let reason):
            "ERR CONFIG SET failed (possibly related to argument '\(directive)') - \(reason)"
        }
    }
}

extension Configuration {
    /// The values whose names match one of `patterns` (globs, any case), each once, in the table's
    /// order. A name without wildcards comes back as it was asked for, before all others.
    public func get(_ patterns: [String]) -> [(name: String, value: String)] {
        var found: [(name: String, value: String)] = []
        var globs: [GlobPattern] = []
        var named: [String] = []
        for pattern in patterns {
            let glob = GlobPattern(pattern)
            if glob.hasWildcards {
                globs.append(glob)
            } else if let directive = Directive.named(pattern), !named.contains(directive.name) {
                named.append(directive.name)
                found.append((pattern, directive.read(self)))
            }
        }
        for directive in Directive.all
        where !named.contains(directive.name)
            && globs.contains(where: { $0.matches(directive.name) })
        {
            found.append((directive.name, directive.read(self)))
        }
        return found
    }

    /// Sets all of `arguments` (name, value, name, value ...) or, when one is refused, none.
    public mutating func set(_ arguments: [String]) throws(ConfigSetError) {
        guard arguments.count % 2 == 0 else { throw .syntax }
        var changed = self
        var directives: [Directive] = []
        for i in stride(from: 0, to: arguments.count, by: 2) {
            guard let directive = Directive.named(arguments[i]) else {
                throw .unknown(arguments[i])
            }
            guard !directives.contains(where: { $0.name == directive.name }) else {
                throw .failed(directive: arguments[i], reason: "duplicate parameter")
            }
            if directive.change != .atRunTime,
                !directive.isModifiableInRedis
                    || directive.read(self).lowercased() != arguments[i + 1].lowercased()
            {
                throw .failed(directive: arguments[i], reason: "can't set immutable config")
            }
            directives.append(directive)
        }
        for (i, directive) in directives.enumerated() where directive.change == .atRunTime {
            let value = arguments[2 * i + 1]
            let words = directive.takesWords ? Self.words(of: value) : [value]
            do {
                try directive.write(&changed, words)
            } catch {
                throw .failed(directive: directive.name, reason: error.reason)
            }
        }
        if let conflict = changed.conflict {
            let blamed = directives.last { conflict.directives.contains($0.name) }
            throw .failed(directive: blamed?.name ?? "", reason: conflict.reason)
        }
        self = changed
    }
}
