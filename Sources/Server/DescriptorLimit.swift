internal import Glibc

/// The process's limit of open files, raised as far as `maxclients` needs it.
enum DescriptorLimit {
    /// What came out of it.
    enum Outcome: Equatable {
        case sufficient
        case raised(to: Int)
        /// The system allows only so many files, hence only so many clients.
        case insufficient(files: Int, clients: Int)
    }

    /// Sees to room for `clients` clients and the process's own files, as Redis does: raised up to
    /// the hard limit (beyond it, if the process may), in small steps down when that fails.
    static func makeRoom(forClients clients: Int) -> Outcome {
        let wanted = clients + ServerLimits.reservedDescriptors
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else {
            return .insufficient(files: 1024, clients: 1024 - ServerLimits.reservedDescriptors)
        }
        let before = Int(clamping: limit.rlim_cur)
        guard before < wanted else { return .sufficient }
        var attempt = wanted
        while attempt > before {
            limit.rlim_cur = rlim_t(attempt)
            limit.rlim_max = max(limit.rlim_max, rlim_t(attempt))
            if setrlimit(resource, &limit) == 0 { break }
            getrlimit(resource, &limit)
            attempt -= 16
        }
        let files = max(attempt, before)
        if files >= wanted { return .raised(to: files) }
        return .insufficient(files: files, clients: files - ServerLimits.reservedDescriptors)
    }

    private static var resource: __rlimit_resource_t { __rlimit_resource_t(RLIMIT_NOFILE.rawValue) }
}
