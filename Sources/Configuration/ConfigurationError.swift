/// Why a node does not start with this configuration.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file's name, or `command line`.
    public let file: String
    /// From 1; 0 where there are no lines.
    public let line: Int
    /// The directive with its value, as written; empty when it concerns no single one.
    public let directive: String
    public let reason: String

    /// `skein.conf:12: 'port 99999': argument must be ...`
    public var description: String {
        let place = line > 0 ? "\(file):\(line)" : file
        return directive.isEmpty ? "\(place): \(reason)" : "\(place): '\(directive)': \(reason)"
    }
}
