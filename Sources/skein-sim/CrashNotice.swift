import Glibc
import Synchronization

/// Prints the replay command when a broken invariant stops the process: the report's own lines never
/// come then.
///
/// The text is kept as raw memory, since a signal handler may not allocate. After writing it the
/// handler puts the default action back; the faulting instruction runs again and the process ends as it
/// would have.
enum CrashNotice {
    /// Address and length of the text, for the handler.
    private static let address = Atomic<UInt>(0)
    private static let length = Atomic<Int>(0)

    /// Sets the text for the run that begins.
    static func prepare(_ text: String) {
        let bytes = Array(text.utf8)
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
        memory.initialize(from: bytes, count: bytes.count)
        length.store(0, ordering: .sequentiallyConsistent)
        let old = address.exchange(
            UInt(bitPattern: memory), ordering: .sequentiallyConsistent)
        length.store(bytes.count, ordering: .sequentiallyConsistent)
        UnsafeMutablePointer<UInt8>(bitPattern: old)?.deallocate()
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGABRT, SIGBUS] { signal(number, onCrash) }
    }

    fileprivate static func print() {
        let start = UnsafeRawPointer(bitPattern: address.load(ordering: .sequentiallyConsistent))
        _ = write(1, start, length.load(ordering: .sequentiallyConsistent))
    }
}

@c
private func onCrash(_ number: Int32) {
    CrashNotice.print()
    signal(number, SIG_DFL)
}
