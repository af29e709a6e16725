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

    /// Sees to room for `clients` clients and the process's own files: raises the limit to the hard one,
    /// so that CONFIG SET maxclients finds room too, and beyond it if that is not enough and the process
    /// may.
    static func makeRoom(forClients clients: Int) -> Outcome {
        let wanted = clients + ServerLimits.reservedDescriptors
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else {
            return .insufficient(files: 1024, clients: 1024 - ServerLimits.reservedDescriptors)
        }
        let hard = limit.rlim_max
        let wasSufficient = limit.rlim_cur >= rlim_t(wanted)
        for attempt in [max(rlim_t(wanted), hard), hard] where limit.rlim_cur < attempt {
            limit.rlim_cur = attempt
            limit.rlim_max = attempt
            if setrlimit(resource, &limit) == 0 { break }
            getrlimit(resource, &limit)
        }
        if wasSufficient { return .sufficient }
        let files = Int(clamping: limit.rlim_cur)
        if files >= wanted { return .raised(to: files) }
        return .insufficient(files: files, clients: files - ServerLimits.reservedDescriptors)
    }

    /// Clients that the limit leaves room for now.
    static var clientsMax: Int {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 0 }
        return max(1, Int(clamping: limit.rlim_cur) - ServerLimits.reservedDescriptors)
    }

    private static var resource: __rlimit_resource_t { __rlimit_resource_t(RLIMIT_NOFILE.rawValue) }
}
