import Foundation

/// What a client that waits for each reply saw.
struct SerialHistory: Sendable {
    var acknowledged = 0
    var longestWait = Duration.zero
    var errors: [String] = []  // error replies and broken connections
    var surprises: [String] = []  // replies that contradict earlier ones
}

/// INCR on a key of its own: each reply must be one more than the last, whatever happens meanwhile.
func countingClient(port: Int, key: String) -> Background<SerialHistory> {
    Background { isStopping in
        var history = SerialHistory()
        do {
            let client = try RESPClient(port: port)
            while !isStopping() {
                let start = ContinuousClock.now
                let reply = try client.call("INCR", key)
                history.longestWait = max(history.longestWait, ContinuousClock.now - start)
                switch reply {
                case .integer(history.acknowledged + 1): history.acknowledged += 1
                case .error(let text):
                    history.errors.append(text)
                    return history
                default:
                    history.surprises.append("\(reply) after \(history.acknowledged)")
                    return history
                }
            }
        } catch {
            history.errors.append("\(error)")
        }
        return history
    }
}

/// SETs of keys that are never written again, until stopped or cut off; the keys whose OK arrived.
func writingClient(port: Int, prefix: String) -> Background<[String]> {
    Background { isStopping in
        var acknowledged: [String] = []
        guard let client = try? RESPClient(port: port) else { return acknowledged }
        while !isStopping() {
            let key = "\(prefix):\(acknowledged.count)"
            guard (try? client.call("SET", key, key)) == .simple("OK") else { return acknowledged }
            acknowledged.append(key)
        }
        return acknowledged
    }
}

/// The keys that do not hold their own name, as `writingClient` left them: how many, and some of them.
func missing(_ keys: [String], through node: NodeProcess) throws -> [String] {
    let client = try node.client()
    let wrong = try keys.filter { try client.call("GET", $0) != .text($0) }
    return wrong.count <= 5 ? wrong : wrong.prefix(5) + ["... \(wrong.count) in all"]
}
