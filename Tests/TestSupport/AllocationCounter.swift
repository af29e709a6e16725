internal import Glibc

/// Counts the calling thread's allocations: malloc, calloc, realloc and their aligned siblings, made
/// by this program, by the Swift runtime and by any other loaded library.
///
/// How: every library calls malloc through a slot of its own that the dynamic linker filled. While
/// counting, the slots point to functions that count and go on to what was there before. Unlike
/// interposing malloc for the whole process this gets along with the sanitizers, and other threads
/// (other tests) are not counted. Linux, x86-64 and ARM64; glibc.
public enum AllocationCounter {
    /// Allocations that `body` made on this thread. Not reentrant; callers on several threads wait
    /// for each other.
    public static func count(_ body: () -> Void) -> Int {
        unsafe pthread_mutex_lock(&exclusive)
        defer { unsafe pthread_mutex_unlock(&exclusive) }
        install()
        unsafe allocations = 0
        unsafe countedThread = pthread_self()
        body()
        unsafe countedThread = 0
        let counted = unsafe allocations
        return counted
    }
}

// Written under `exclusive`; the hooks of other threads only compare `countedThread`.
private nonisolated(unsafe) var exclusive = pthread_mutex_t()
private nonisolated(unsafe) var allocations = 0
private nonisolated(unsafe) var countedThread: pthread_t = 0
private nonisolated(unsafe) var isInstalled = false

private func note() {
    if unsafe countedThread != 0, unsafe pthread_equal(pthread_self(), countedThread) != 0 {
        unsafe allocations += 1
    }
}

private typealias Pointer = UnsafeMutableRawPointer

// What the functions were before: taken from the linker once, by name.
private nonisolated(unsafe) var realMalloc: (@convention(c) (Int) -> Pointer?)!
private nonisolated(unsafe) var realCalloc: (@convention(c) (Int, Int) -> Pointer?)!
private nonisolated(unsafe) var realRealloc: (@convention(c) (Pointer?, Int) -> Pointer?)!
private nonisolated(unsafe) var realAlignedAlloc: (@convention(c) (Int, Int) -> Pointer?)!
private nonisolated(unsafe) var realMemalign:
    (@convention(c) (UnsafeMutablePointer<Pointer?>?, Int, Int) -> Int32)!

private let hookMalloc: @convention(c) (Int) -> Pointer? = {
    note()
    return unsafe realMalloc($0)
}
private let hookCalloc: @convention(c) (Int, Int) -> Pointer? = {
    note()
    return unsafe realCalloc($0, $1)
}
private let hookRealloc: @convention(c) (Pointer?, Int) -> Pointer? = {
    note()
    return unsafe realRealloc($0, $1)
}
private let hookAlignedAlloc: @convention(c) (Int, Int) -> Pointer? = {
    note()
    return unsafe realAlignedAlloc($0, $1)
}
private let hookMemalign: @convention(c) (UnsafeMutablePointer<Pointer?>?, Int, Int) -> Int32 = {
    note()
    return unsafe realMemalign($0, $1, $2)
}

@_silgen_name("dl_iterate_phdr")
private func iterateLibraries(
    _ body: @convention(c) (UnsafeRawPointer, Int, Pointer?) -> Int32, _ context: Pointer?
) -> Int32

private func install() {
    guard unsafe !isInstalled else { return }
    unsafe isInstalled = true
    unsafe realMalloc = unsafeBitCast(dlsym(nil, "malloc"), to: type(of: realMalloc))
    unsafe realCalloc = unsafeBitCast(dlsym(nil, "calloc"), to: type(of: realCalloc))
    unsafe realRealloc = unsafeBitCast(dlsym(nil, "realloc"), to: type(of: realRealloc))
    unsafe realAlignedAlloc = unsafeBitCast(
        dlsym(nil, "aligned_alloc"), to: type(of: realAlignedAlloc))
    unsafe realMemalign = unsafeBitCast(
        dlsym(nil, "posix_memalign"), to: type(of: realMemalign))
    _ = unsafe iterateLibraries({ info, _, _ in unsafe patchLibrary(info) }, nil)
}

private func hook(for name: String) -> UInt? {
    switch name {
    case "malloc": unsafe unsafeBitCast(hookMalloc, to: UInt.self)
    case "calloc": unsafe unsafeBitCast(hookCalloc, to: UInt.self)
    case "realloc": unsafe unsafeBitCast(hookRealloc, to: UInt.self)
    case "aligned_alloc": unsafe unsafeBitCast(hookAlignedAlloc, to: UInt.self)
    case "posix_memalign": unsafe unsafeBitCast(hookMemalign, to: UInt.self)
    default: nil
    }
}

/// `info` is a dl_phdr_info: load address, name, program headers, their number.
private func patchLibrary(_ info: UnsafeRawPointer) -> Int32 {
    let base = unsafe info.load(as: UInt.self)
    let headers = unsafe info.load(fromByteOffset: 16, as: UnsafeRawPointer.self)
    for i in 0..<Int(unsafe info.load(fromByteOffset: 24, as: UInt16.self)) {
        // An Elf64_Phdr: u32 type, u32 flags, u64 offset, u64 address, ...; 2 is PT_DYNAMIC.
        let header = unsafe headers + i * 56
        guard unsafe header.load(as: UInt32.self) == 2 else { continue }
        let address = unsafe header.load(fromByteOffset: 16, as: UInt.self)
        unsafe patchSlots(base, UnsafeRawPointer(bitPattern: base + address)!)
    }
    return 0
}

private func patchSlots(_ base: UInt, _ dynamic: UnsafeRawPointer) {
    // Elf64_Dyn: tag and value, up to tag 0. Tags: 2 PLTRELSZ, 5 STRTAB, 6 SYMTAB, 7 RELA,
    // 8 RELASZ, 23 JMPREL.
    var values = [UInt](repeating: 0, count: 24)
    var entry = unsafe dynamic
    while unsafe entry.load(as: Int.self) != 0 {
        let tag = unsafe entry.load(as: Int.self)
        if tag > 0, tag < 24 { values[tag] = unsafe entry.load(fromByteOffset: 8, as: UInt.self) }
        unsafe entry += 16
    }
    // The vdso keeps offsets where libraries have addresses; it calls nobody.
    guard values[5] > base, values[6] > base else { return }
    for (table, size) in [(values[7], values[8]), (values[23], values[2])] where table > base {
        for offset in stride(from: 0, to: size, by: 24) {
            // Elf64_Rela: address of the slot, symbol << 32 | type, addend.
            let relocation = unsafe UnsafeRawPointer(bitPattern: table + offset)!
            let symbol = unsafe relocation.load(fromByteOffset: 12, as: UInt32.self)
            let type = unsafe relocation.load(fromByteOffset: 8, as: UInt32.self)
            // GLOB_DAT and JUMP_SLOT of x86-64 and of ARM64.
            guard symbol != 0, [6, 7, 1025, 1026].contains(type) else { continue }
            let nameOffset = unsafe UnsafeRawPointer(bitPattern: values[6] + UInt(symbol) * 24)!
                .load(as: UInt32.self)
            let name = unsafe String(
                cString: UnsafePointer<CChar>(bitPattern: values[5] + UInt(nameOffset))!)
            guard let hook = hook(for: name) else { continue }
            let slot = base + (unsafe relocation.load(as: UInt.self))
            let page = unsafe Pointer(bitPattern: slot & ~0xFFF)!
            guard unsafe mprotect(page, 0x1000, PROT_READ | PROT_WRITE) == 0 else { continue }
            unsafe Pointer(bitPattern: slot)!.storeBytes(of: hook, as: UInt.self)
        }
    }
}
