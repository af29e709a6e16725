/// `client-output-buffer-limit`: how many bytes of replies may wait for a client, by its class.
public struct OutputBufferLimits: Sendable, Equatable {
    /// The limits of one class; 0 is none.
    public struct Limit: Sendable, Equatable {
        /// The client is closed at once when it has more waiting than this.
        public var hardBytes: Int
        /// It is closed when it has more waiting than this for `softSeconds` without a break.
        public var softBytes: Int
        public var softSeconds: Int

        public init(hardBytes: Int, softBytes: Int, softSeconds: Int) {
            self.hardBytes = hardBytes
            self.softBytes = softBytes
            self.softSeconds = softSeconds
        }
    }

    /// Ordinary clients. Redis has no limit here; one client that stops reading can then take all
    /// of the memory, and a node that dies of it takes everybody's replica along.
    public var normal = Limit(hardBytes: 1 << 30, softBytes: 256 << 20, softSeconds: 60)
    /// Redis's replicas. No client of ours is one: the peers have their own flow control.
    public var replica = Limit(hardBytes: 256 << 20, softBytes: 64 << 20, softSeconds: 60)
    /// Clients that subscribe.
    public var pubsub = Limit(hardBytes: 32 << 20, softBytes: 8 << 20, softSeconds: 60)

    public init() {}

    /// As CONFIG GET prints it.
    var text: String {
        func text(_ name: String, _ limit: Limit) -> String {
            "\(name) \(limit.hardBytes) \(limit.softBytes) \(limit.softSeconds)"
        }
        return "\(text("normal", normal)) \(text("slave", replica)) \(text("pubsub", pubsub))"
    }

    /// Changes the classes that `words` name, four words each; errors as in Redis.
    mutating func change(_ words: [String]) throws(ValueError) {
        guard !words.isEmpty, words.count % 4 == 0 else {
            throw ValueError("Wrong number of arguments in buffer limit configuration.")
        }
        for i in stride(from: 0, to: words.count, by: 4) {
            let field: WritableKeyPath<OutputBufferLimits, Limit>
            switch words[i].lowercased() {
            case "normal": field = \.normal
            case "slave", "replica": field = \.replica
            case "pubsub": field = \.pubsub
            default:
                throw ValueError("Invalid client class specified in buffer limit configuration.")
            }
            guard let hard = memoryValue(words[i + 1]), let soft = memoryValue(words[i + 2]),
                let seconds = strictInteger(words[i + 3]), seconds >= 0
            else {
                throw ValueError(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration.")
            }
            self[keyPath: field] = Limit(hardBytes: hard, softBytes: soft, softSeconds: seconds)
        }
    }
}
