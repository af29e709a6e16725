/// What is done to members. `Campaign` chooses and times them, `Cluster+Faults` does them.
enum Fault: String, CaseIterable {
    /// kill -9; started again in the end.
    case kill
    /// SIGTERM; started again in the end.
    case shutdown
    /// SIGSTOP, SIGCONT in the end.
    case pause
    /// Cut off from all others, both ways; two victims stay together.
    case partition
    /// Its packets reach nobody.
    case mute
    /// Nobody's packets reach it.
    case deaf
    /// It cannot reach one other member, which can reach it.
    case oneWay = "one-way"
    /// It and one other member cannot reach each other; all others reach both.
    case pair
    /// As `pair`, but on and off several times a second.
    case flapping
    /// Each member reaches its two neighbours in a ring, and nobody else.
    case ring
    /// Its disk is full, until the end.
    case fullDisk = "full-disk"
    /// Writes and syncs hang, until the end.
    case stalledDisk = "stalled-disk"
    /// kill -9 for all members at once; started again in the end.
    case killAll = "kill-all"

    /// Whether every member runs and every disk works: what goes on must go on.
    var isCut: Bool {
        switch self {
        case .partition, .mute, .deaf, .oneWay, .pair, .flapping, .ring: true
        default: false
        }
    }

    var needsDisk: Bool { self == .fullDisk || self == .stalledDisk }

    /// Whether it takes all members, and so cannot be had beside another.
    var isAlone: Bool { self == .ring || self == .killAll }

    /// How often it is chosen.
    var weight: Int {
        switch self {
        case .kill: 4
        case .pause: 3
        case .killAll: 1
        default: 2
        }
    }

    /// The longest time without a leader, and without an answer, that it may cost, in seconds; nil: as long as
    /// it takes to start again. A stalled disk is noticed after `disk-stall-limit`, 3 s.
    var limit: Double? {
        switch self {
        case .killAll: nil
        case .stalledDisk: 6
        default: 3
        }
    }
}
