/// Why a node can not start on its directory or configuration.
public enum StartError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The directory was made for another node.
    case foreignDirectory(node: String, configured: String)
    /// A record that only a newer program, or damage that no checksum saw, can have left.
    case unreadable(String)
    /// The members in the directory are not those of the configuration.
    case members(String)
    /// The cluster has come to a version that this program does not speak.
    case version(cluster: UInt32, spoken: ClosedRange<UInt32>)

    public var description: String {
        switch self {
        case .foreignDirectory(let node, let configured):
            "the data directory belongs to node \(node), but node-name is \(configured)"
        case .unreadable(let what):
            "the data directory can not be used: \(what)"
        case .members(let what):
            "initial-cluster does not fit the data directory: \(what)"
        case .version(let cluster, let spoken):
            "the cluster works by version \(cluster), this program speaks \(NodeState.words(spoken)): start another release of it"
        }
    }
}
