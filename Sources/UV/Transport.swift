// Where bytes pass between a socket and its owner: all of them, and only here.
//
//      socket -> onReadBufferNeeded -> owner.readBuffer      (the owner's memory, no copy)
//             -> onRead             -> owner.received
//      owner  -> tryWrite           -> socket                (borrowed, as much as the kernel takes)
//             -> write              -> queue -> socket       (moved, freed when it is out)
//
// TLS will sit in this file: it takes the place of the two ends of each arrow (cipher text goes to
// memory of its own, `received` is called with what it deciphered; the two writes encipher first)
// and no owner will notice.
//
// 1. Bytes leave in the order of the calls: while anything is queued `tryWrite` takes nothing.
// 2. A queued buffer is owned by its request until libuv's callback, which comes for each request,
//    also when the stream is closed before.
// 3. The queue has no limit here. Owners watch `queuedBytes`; the engine's limits decide.
public import Bytes
internal import CLibuv
internal import Glibc

extension TCPStream {
    /// Bytes handed to `write` that the kernel has not taken yet.
    public var queuedBytes: Int { Int(uv_stream_get_write_queue_size(pointer())) }

    /// Writes what the kernel takes at once and returns how much that was: 0 when it takes nothing
    /// now or when bytes are queued already. A broken connection throws; its owner is not told again.
    public func tryWrite(_ bytes: Span<UInt8>) throws(UVError) -> Int {
        guard isConnected, !bytes.isEmpty else { return 0 }
        let status = bytes.withUnsafeBufferPointer { bytes in
            var buffer = uv_buf_t(
                base: UnsafeMutableRawPointer(mutating: bytes.baseAddress!)
                    .assumingMemoryBound(to: CChar.self),
                len: bytes.count)
            return uv_try_write(pointer(), &buffer, 1)
        }
        if status == -EAGAIN { return 0 }
        guard status >= 0 else {
            hasFailed = true
            throw UVError(code: status, operation: "write")
        }
        return Int(status)
    }

    /// Queues `bytes` behind what is queued; `streamWrote` tells when they are out.
    public func write(_ bytes: consuming ByteBuffer) {
        guard isConnected, !bytes.isEmpty else { return }
        let request = WriteRequest(bytes)
        let status = request.start(on: self)
        if status < 0 { fail(status, "write") }
    }

    /// Tells the other side that no more will come, after everything queued is out. Reading goes on.
    public func endWriting() {
        guard isConnected else { return }
        let request = UnsafeMutablePointer<uv_shutdown_t>.allocate(capacity: 1)
        if uv_shutdown(request, pointer(), onShutDown) < 0 { request.deallocate() }
    }

    fileprivate func lendReadBuffer() -> uv_buf_t {
        guard let memory = owner?.readBuffer(for: self), let base = memory.baseAddress else {
            return uv_buf_t(base: nil, len: 0)
        }
        return uv_buf_t(
            base: base.assumingMemoryBound(to: CChar.self), len: min(memory.count, readAllowance))
    }

    fileprivate func read(_ count: Int) {
        switch count {
        case 1...:
            countRead(count)
            owner?.stream(self, received: count)
        case 0:
            break  // EAGAIN: nothing there after all.
        case Int(UV_EOF.rawValue):
            // libuv has stopped reading by itself.
            pauseReading()
            owner?.streamEnded(self)
        default:
            fail(Int32(count), "read")
        }
    }

    fileprivate func wrote(_ status: Int32) {
        guard status < 0 else {
            owner?.streamWrote(self)
            return
        }
        fail(status, "write")
    }
}

/// Bytes on their way out, and libuv's struct for them.
private final class WriteRequest {
    private let bytes: ByteBuffer
    private let raw: UnsafeMutablePointer<uv_write_t>

    init(_ bytes: consuming ByteBuffer) {
        self.bytes = bytes
        raw = .allocate(capacity: 1)
    }

    deinit { raw.deallocate() }

    func start(on stream: TCPStream) -> Int32 {
        let readable = bytes.unsafeReadable
        var buffer = uv_buf_t(
            base: UnsafeMutableRawPointer(mutating: readable.baseAddress!)
                .assumingMemoryBound(to: CChar.self),
            len: readable.count)
        // Held by libuv until `onWritten`.
        raw.pointee.data = Unmanaged.passRetained(self).toOpaque()
        let status = uv_write(raw, stream.pointer(), &buffer, 1, onWritten)
        if status < 0 { Unmanaged.passUnretained(self).release() }
        return status
    }
}

@c func onReadBufferNeeded(
    _ handle: UnsafeMutablePointer<uv_handle_t>?, _: Int, _ buffer: UnsafeMutablePointer<uv_buf_t>?
) {
    buffer?.pointee = TCPStream.recover(handle?.pointee.data).lendReadBuffer()
}

@c func onRead(
    _ stream: UnsafeMutablePointer<uv_stream_t>?, _ count: Int, _: UnsafePointer<uv_buf_t>?
) {
    TCPStream.recover(stream?.pointee.data).read(count)
}

@c func onWritten(_ request: UnsafeMutablePointer<uv_write_t>?, _ status: Int32) {
    let stream = TCPStream.recover(request?.pointee.handle.pointee.data)
    Unmanaged<WriteRequest>.fromOpaque(request!.pointee.data).release()
    stream.wrote(status)
}

@c func onShutDown(_ request: UnsafeMutablePointer<uv_shutdown_t>?, _: Int32) {
    request?.deallocate()
}
