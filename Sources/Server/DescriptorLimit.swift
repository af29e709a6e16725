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

    /// Sees to room for `clients` clients and the process's own files: raises the limit, beyond the
    /// hard one if the process may, else up to it.
    static func makeRoom(forClients clients: Int) -> Outcome {
        let wanted = clients + ServerLimits.reservedDescriptors
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else {
            return .insufficient(files: 1024, clients: 1024 - ServerLimits.reservedDescriptors)
        }
        guard limit.rlim_cur < rlim_t(wanted) else { return .sufficient }
        let hard = limit.rlim_max
        for attempt in [rlim_t(wanted), min(rlim_t(wanted), hard)] {
            limit.rlim_cur = attempt
            limit.rlim_max = max(hard, attempt)
            if setrlimit(resource, &limit) == 0 { break }
            getrlimit(resource, &limit)
        }
        let files = Int(clamping: limit.rlim_cur)
        if files >= wanted { return .raised(to: files) }
        return .insufficient(files: files, clients: files - ServerLimits.reservedDescriptors)
    }

    private static var resource: __rlimit_resource_t { __rlimit_resource_t(RLIMIT_NOFILE.rawValue) }
}
