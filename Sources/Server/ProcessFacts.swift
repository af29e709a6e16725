internal import Engine
internal import Glibc

/// What the process knows of itself, for INFO.
struct ProcessFacts {
    private var facts = HostFacts()
    private let pageBytes = sysconf(Int32(_SC_PAGESIZE))

    init(configurationFile: String) {
        facts.processID = getpid()
        facts.configurationFile = configurationFile
        facts.executable = Self.executable()
        facts.commit = BuildVersion.commit
        facts.isModified = BuildVersion.isModified
        facts.system = Self.system()
        facts.clientsMax = DescriptorLimit.clientsMax
        facts.systemBytes = sysconf(Int32(_SC_PHYS_PAGES)) * pageBytes
        facts.startBytes = residentPages() * pageBytes
    }

    /// The facts as they are now: two system calls and a small file, so about once a second.
    mutating func reading() -> HostFacts {
        var usage = rusage()
        if getrusage(RUSAGE_SELF.rawValue, &usage) == 0 {
            facts.userTime = Self.microseconds(usage.ru_utime)
            facts.systemTime = Self.microseconds(usage.ru_stime)
            facts.peakBytes = Int(usage.ru_maxrss) * 1024
        }
        facts.residentBytes = residentPages() * pageBytes
        return facts
    }

    private static func microseconds(_ time: timeval) -> Int64 {
        Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_usec)
    }

    /// The second number of /proc/self/statm; 0 where there is none.
    private func residentPages() -> Int {
        let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { close(descriptor) }
        var text = [UInt8](repeating: 0, count: 128)
        let count = read(descriptor, &text, text.count)
        guard count > 0 else { return 0 }
        let words = String(decoding: text[..<count], as: UTF8.self).split(separator: " ")
        return words.count > 1 ? Int(words[1]) ?? 0 : 0
    }

    /// "Linux 6.1.0 x86_64".
    private static func system() -> String {
        var name = utsname()
        guard uname(&name) == 0 else { return "" }
        func text<Field>(_ field: Field) -> String {
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        return "\(text(name.sysname)) \(text(name.release)) \(text(name.machine))"
    }

    private static func executable() -> String {
        var path = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = path.withUnsafeMutableBytes {
            readlink(
                "/proc/self/exe", $0.assumingMemoryBound(to: CChar.self).baseAddress!, $0.count)
        }
        return count > 0 ? String(decoding: path[..<count], as: UTF8.self) : ""
    }
}
