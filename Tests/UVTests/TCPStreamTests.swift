import Bytes
import Testing
import UV

@Suite struct TCPStreamTests {
    @Test func `bytes arrive in order in both directions`() throws {
        let pair = try LoopbackPair()
        let there = pattern(from: 0, count: 100_000)
        let back = pattern(from: 7, count: 50_000)
        let sent = try pair.client.tryWrite(there.span)
        pair.client.write(ByteBuffer(Array(there[sent...])))
        pair.server.write(ByteBuffer(back))
        #expect(
            pair.loop.run {
                pair.serverEnd.receivedCount == there.count
                    && pair.clientEnd.receivedCount == back.count
            })
        #expect(pair.serverEnd.received == there)
        #expect(pair.clientEnd.received == back)
    }

    @Test func `a reader that pauses holds the writer back and loses nothing`() throws {
        let pair = try LoopbackPair()
        let total = 16 << 20
        let bytes = pattern(from: 0, count: total)
        pair.server.pauseReading()
        var sent = 0
        while true {
            let taken = try pair.client.tryWrite(bytes.span.extracting(sent..<total))
            if taken == 0 { break }
            sent += taken
        }
        #expect(sent < total, "the kernel cannot have taken it all")
        let rest = ByteBuffer(copying: bytes.span.extracting(sent..<total))
        let queued = rest.count
        pair.client.write(rest)
        // The kernel may find room for a little more.
        #expect(pair.client.queuedBytes > 0 && pair.client.queuedBytes <= queued)
        let overtaking = try pair.client.tryWrite(bytes.span)
        #expect(overtaking == 0, "nothing may overtake the queue")
        for _ in 0..<20 { pair.loop.runWithoutWaiting() }
        #expect(pair.serverEnd.receivedCount == 0)
        #expect(pair.client.queuedBytes > 0)

        pair.server.startReading()
        #expect(pair.loop.run { pair.serverEnd.receivedCount == total })
        #expect(pair.serverEnd.received == bytes)
        #expect(pair.loop.run { pair.client.queuedBytes == 0 && pair.clientEnd.wrote == 1 })
    }

    @Test func `pausing within a read event stops the events`() throws {
        let pair = try LoopbackPair()
        pair.serverEnd.onReceived = { $0.pauseReading() }
        pair.client.write(ByteBuffer(pattern(from: 0, count: 4 << 20)))
        #expect(pair.loop.run { pair.serverEnd.receivedCount > 0 })
        let first = pair.serverEnd.receivedCount
        for _ in 0..<20 { pair.loop.runWithoutWaiting() }
        #expect(pair.serverEnd.receivedCount == first)
        #expect(!pair.server.isReading)
    }

    @Test func `a stream reads its share in a turn and the rest in later ones`() throws {
        let pair = try LoopbackPair()
        let bytes = pattern(from: 3, count: 1 << 20)
        pair.server.readBytesPerTurn = 100_000
        pair.client.write(ByteBuffer(bytes))
        #expect(pair.loop.run { pair.serverEnd.receivedCount > 0 })
        for _ in 0..<20 { pair.loop.runWithoutWaiting() }
        #expect(pair.serverEnd.receivedCount == 100_000)
        // The owner's wish counts: who pauses while it is held reads nothing when the turn is over.
        pair.server.pauseReading()
        pair.loop.resumeReads()
        for _ in 0..<20 { pair.loop.runWithoutWaiting() }
        #expect(pair.serverEnd.receivedCount == 100_000)
        pair.server.startReading()
        for turn in 2...10 {
            #expect(pair.loop.run { pair.serverEnd.receivedCount == turn * 100_000 })
            for _ in 0..<5 { pair.loop.runWithoutWaiting() }
            #expect(pair.serverEnd.receivedCount == turn * 100_000)
            pair.loop.resumeReads()
        }
        #expect(pair.loop.run { pair.serverEnd.receivedCount == bytes.count })
        #expect(pair.serverEnd.received == bytes)
    }

    @Test func `a held stream can be closed`() throws {
        let pair = try LoopbackPair()
        pair.server.readBytesPerTurn = 1000
        pair.client.write(ByteBuffer(pattern(from: 3, count: 5000)))
        #expect(pair.loop.run { pair.serverEnd.receivedCount == 1000 })
        pair.server.close()
        pair.loop.resumeReads()
        for _ in 0..<5 { pair.loop.runWithoutWaiting() }
        #expect(pair.serverEnd.receivedCount == 1000 && pair.serverEnd.errors.isEmpty)
    }

    @Test func `after a half-close the other direction still works`() throws {
        let pair = try LoopbackPair()
        pair.serverEnd.onEnded = { server in
            server.write(ByteBuffer(Array("answer".utf8)))
            server.endWriting()
        }
        pair.client.write(ByteBuffer(Array("question".utf8)))
        pair.client.endWriting()
        #expect(pair.loop.run { pair.clientEnd.ended })
        #expect(pair.serverEnd.received == Array("question".utf8))
        #expect(pair.clientEnd.received == Array("answer".utf8))
        #expect(pair.clientEnd.errors.isEmpty && pair.serverEnd.errors.isEmpty)
    }

    @Test func `a reset is told once`() throws {
        let pair = try LoopbackPair()
        pair.client.reset()
        #expect(pair.loop.run { !pair.serverEnd.errors.isEmpty })
        #expect(throws: UVError.self) { try pair.server.tryWrite(bytes: [1, 2, 3]) }
        pair.server.write(ByteBuffer([1, 2, 3]))
        for _ in 0..<20 { pair.loop.runWithoutWaiting() }
        #expect(pair.serverEnd.errors.count == 1)
        #expect(pair.serverEnd.errors.first?.isReset == true)
        #expect(pair.serverEnd.errors.first?.description.contains("reset by peer") == true)
    }

    @Test func `closing with a queue frees stream, owner and buffers`() throws {
        weak var stream: TCPStream?
        weak var owner: Recorder?
        do {
            let pair = try LoopbackPair()
            pair.server.pauseReading()
            for _ in 0..<8 { pair.client.write(ByteBuffer(pattern(from: 0, count: 1 << 20))) }
            stream = pair.client
            owner = pair.clientEnd
            pair.client.close()
            pair.client.close()
            pair.client.write(ByteBuffer([1]))
            #expect(try pair.client.tryWrite(bytes: [1]) == 0)
            #expect(pair.loop.run { pair.client.isClosing && pair.clientEnd.errors.isEmpty })
        }
        #expect(stream == nil)
        #expect(owner == nil)
    }

    @Test func `closing within its own event ends the events`() throws {
        let pair = try LoopbackPair()
        pair.serverEnd.onReceived = { $0.close() }
        pair.client.write(ByteBuffer(pattern(from: 0, count: 4 << 20)))
        #expect(pair.loop.run { pair.clientEnd.ended || !pair.clientEnd.errors.isEmpty })
        #expect(pair.serverEnd.receivedCount <= 65536)
        #expect(!pair.serverEnd.ended && pair.serverEnd.errors.isEmpty)
    }

    @Test func `an empty write is no write`() throws {
        let pair = try LoopbackPair()
        #expect(try pair.client.tryWrite(bytes: []) == 0)
        pair.client.write(ByteBuffer())
        #expect(pair.client.queuedBytes == 0)
    }

    @Test func `a connection moves to another loop on another thread by its descriptor`() throws {
        let pair = try LoopbackPair()
        let descriptor = try pair.server.duplicateDescriptor()
        pair.server.close()
        let echo = try Thread(name: "echo") {
            guard let loop = try? Loop(),
                let stream = try? TCPStream(loop, adopting: descriptor)
            else { return }
            let recorder = Recorder()
            recorder.onReceived = { [unowned recorder] stream in
                stream.write(ByteBuffer(Array(recorder.received.suffix(5))))
            }
            recorder.onEnded = { $0.close() }
            stream.owner = recorder
            stream.setNoDelay()
            stream.setKeepAlive(after: 60)
            stream.startReading()
            loop.run()
        }
        pair.client.write(ByteBuffer(Array("hello".utf8)))
        #expect(pair.loop.run { pair.clientEnd.receivedCount == 5 })
        #expect(pair.clientEnd.received == Array("hello".utf8))
        pair.client.close()
        #expect(pair.loop.run { !pair.client.isConnected })
        for _ in 0..<5 { pair.loop.runWithoutWaiting() }
        echo.join()
    }

    @Test func `adopting what is no socket throws`() throws {
        let loop = try Loop()
        #expect(throws: UVError.self) { _ = try TCPStream(loop, adopting: 1 << 20) }
        loop.closeAllHandles()
    }
}
