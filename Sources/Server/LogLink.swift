internal import Bytes
internal import Configuration
internal import Engine
internal import Raft
internal import UV
internal import WAL

/// The threads that write and read the log, as the loop sees them: batches and reads go out, what
/// became of them comes in as events of the loop. Loop thread only.
final class LogLink {
    private enum Arrival: Sendable {
        case log(LogThread.Event)
        case read(LogReadID, LogFileReader.Answer)
    }

    private unowned let host: NodeHost
    private let arrivals = Mailbox<Arrival>()
    private let writer: LogThread
    private let reader: LogFileReader
    /// What the preparer and the log thread say of the disk.
    private var isLow = false
    private var isFull = false

    /// Starts the threads; `liveness` watches every sync.
    init(
        _ host: NodeHost, _ directory: DataDirectory, _ reserve: DiskReserve,
        mode: LogThread.SyncMode, segmentBytes: Int, _ liveness: PairLiveness
    ) throws(UVError) {
        self.host = host
        var options = LogThread.Options()
        options.mode = mode
        options.segmentBytes = segmentBytes
        options.syncStarted = { liveness.syncStarted(now: $0) }
        options.syncFinished = { liveness.syncFinished(now: $0) }
        let arrivals = arrivals
        writer = try LogThread(directory, options, reserve: reserve) { arrivals.post(.log($0)) }
        reader = try LogFileReader(directory) { id, answer in
            arrivals.post(.read(LogReadID(id), answer))
        }
        try arrivals.attach(to: host.loop) { [unowned self] in arrived($0) }
    }

    /// Hands a batch to the log thread.
    func write(_ batch: consuming WALBatch) { writer.submit(batch) }

    /// Hands over the files of segments that the engine's log has given up.
    func release(_ segments: [UInt64]) {
        reader.forget(segments)
        writer.release(segments)
    }

    /// Asks for older records.
    func read(_ request: LogReadRequest) {
        let isAccepted = reader.submit(
            LogFileReader.Request(
                id: request.id.raw, position: request.position, count: request.count))
        if !isAccepted { host.engine.logRead(request.id, bytes: nil, now: SystemClock.reading()) }
    }

    /// Writes and syncs what was handed over, and ends the threads.
    func stop() {
        reader.stop()
        writer.stop()
        arrivals.detach()
    }

    private func arrived(_ arrival: Arrival) {
        switch arrival {
        case .log(.progress(let written, let synced)):
            progressed(written: written, synced: synced)
        case .log(.low(let error)):
            host.say(
                .warning,
                "log-disk-low error=\"\(error)\" effect=\"commands that add data are refused\"")
            isLow = true
            spaceChanged()
        case .log(.full(let error)):
            host.say(
                .warning, "log-disk-full error=\"\(error)\" effect=\"all writes wait for room\"")
            isFull = true
            spaceChanged()
        case .log(.room):
            host.say(.notice, "log-disk-has-room effect=\"all commands are served\"")
            isLow = false
            spaceChanged()
        case .log(.goesOn):
            host.say(.notice, "log-goes-on")
            isFull = false
            spaceChanged()
        case .log(.leftover(let error)):
            host.say(
                .warning,
                "log-file-not-removed error=\"\(error)\" effect=\"the next start tries again\"")
        case .log(.failed(let error)):
            host.stop(.fatal("the log cannot be written: \(error)"))
        case .read(let id, .bytes(let bytes)):
            host.engine.logRead(id, bytes: bytes.span, now: SystemClock.reading())
        case .read(let id, .failed(let error)):
            host.say(.warning, "log-read-failed error=\"\(error)\"")
            host.engine.logRead(id, bytes: nil, now: SystemClock.reading())
        }
    }

    private func spaceChanged() {
        host.engine.logSpaceChanged(
            to: isFull ? .full : isLow ? .low : .ample, now: SystemClock.reading())
    }

    private func progressed(written: UInt64, synced: UInt64) {
        host.engine.logDurable(
            written: written, synced: synced, now: SystemClock.reading())
    }
}

extension LogThread.SyncMode {
    init(_ directive: AppendFsync) {
        switch directive {
        case .always: self = .always
        case .everysec: self = .everySecond
        case .no: self = .never
        }
    }
}
