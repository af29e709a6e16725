import Bytes
import Simulator

/// Asks one member all the time what it is: who leads, in which term, and how far it has come.
struct Watch {
    private let address: String
    private let port: Int
    private(set) var line: Line?
    private var askAt = Moment.zero
    private var askedAt: Moment?

    private static let interval = Interval.milliseconds(50)
    private static let question = ClientCommand("INFO", "raft").encoded

    init(address: String, port: Int) {
        self.address = address
        self.port = port
    }

    mutating func act(now: Moment) {
        guard now >= askAt else { return }
        askAt = now + Self.interval
        if line == nil { line = Line(to: address, port: port) }
        // One question at a time: a member that sleeps is not to find hundreds.
        guard askedAt == nil else { return }
        askedAt = now
        line?.send(Self.question)
    }

    mutating func receive(now: Moment, tell: (FleetBoard.Sighting, Moment) -> Void) {
        guard let line else { return }
        let isOpen = line.receive()
        while let reply = try? line.next() {
            // The moment of the question: the answer may have waited for a process that slept.
            let asked = askedAt ?? now
            askedAt = nil
            if case .bulk(let bytes) = reply {
                tell(Self.sighting(in: String(decoding: bytes, as: UTF8.self), at: asked), asked)
            }
        }
        guard !isOpen else { return }
        self.line = nil
        askedAt = nil
        tell(FleetBoard.Sighting(), now)
    }

    private static func sighting(in text: String, at now: Moment) -> FleetBoard.Sighting {
        var sighting = FleetBoard.Sighting(heard: now)
        guard
            let group = text.split(separator: "\r\n").first(where: { $0.hasPrefix("raft_group1:") })
        else { return sighting }
        for part in group.dropFirst("raft_group1:".count).split(separator: ",") {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2 else { continue }
            switch pair[0] {
            case "role": sighting.leads = pair[1] == "leader"
            case "term": sighting.term = UInt64(pair[1]) ?? 0
            case "applied": sighting.applied = UInt64(pair[1]) ?? 0
            default: break
            }
        }
        return sighting
    }
}
