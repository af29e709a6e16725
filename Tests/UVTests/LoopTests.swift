import Bytes
import Glibc
import Testing
import UV

@Suite struct LoopTests {
    @Test func `a timer fires no earlier than asked, once`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        var fired = 0
        let timer = Timer(loop) { fired += 1 }
        let start = loop.now
        timer.start(after: .microseconds(19_500))
        #expect(timer.isActive)
        #expect(loop.run { fired > 0 })
        #expect(loop.now - start >= .milliseconds(20))
        #expect(!timer.isActive)
        for _ in 0..<3 { loop.runWithoutWaiting() }
        #expect(fired == 1)
    }

    @Test func `a timer repeats until it is stopped, also by itself`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        var fired = 0
        var timer: Timer?
        timer = Timer(loop) {
            fired += 1
            if fired == 3 { timer?.stop() }
        }
        timer?.start(after: .milliseconds(1), every: .milliseconds(1))
        loop.run()
        #expect(fired == 3)
        timer = nil
    }

    @Test func `restarting a timer replaces its deadline`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        var fired = false
        let timer = Timer(loop) { fired = true }
        timer.start(after: .seconds(3600))
        timer.start(after: .milliseconds(1))
        #expect(loop.run(within: .seconds(10)) { fired })
    }

    @Test func `prepare runs before the loop sleeps and check after it`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        var order: [String] = []
        let prepare = Prepare(loop) { order.append("prepare") }
        let check = Check(loop) { order.append("check") }
        let timer = Timer(loop) { order.append("timer") }
        timer.start(after: .milliseconds(0))
        loop.runWithoutWaiting()
        loop.runWithoutWaiting()
        #expect(order.prefix(5) == ["timer", "prepare", "check", "prepare", "check"])
        prepare.close()
        check.close()
        order = []
        loop.runWithoutWaiting()
        #expect(order == [])
    }

    @Test func `work announced before sleeping keeps the loop awake`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        let insomnia = Insomnia(loop)
        let timer = Timer(loop) {}
        timer.start(after: .seconds(3600))
        var turns = 0
        let prepare = Prepare(loop) {
            turns += 1
            // As the host does: known only at the end of a turn.
            insomnia.isAwake = turns < 100
            if turns == 100 { loop.stop() }
        }
        loop.run()
        #expect(turns == 100)
        #expect(!insomnia.isAwake)
        prepare.close()
    }

    @Test func `a signal becomes an event`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        var received = 0
        let watcher = try SignalWatcher(loop, SIGUSR2) { received += 1 }
        kill(getpid(), SIGUSR2)
        #expect(loop.run { received == 1 })
        watcher.close()
        #expect(throws: UVError.self) { _ = try SignalWatcher(loop, SIGKILL) {} }
    }

    @Test func `open handles keep themselves alive until the loop closes them`() throws {
        weak var timer: Timer?
        weak var owner: Recorder?
        do {
            let loop = try Loop()
            let recorder = Recorder()
            owner = recorder
            var fired = 0
            do {
                let forgotten = Timer(loop) { fired += recorder.receivedCount + 1 }
                forgotten.start(after: .milliseconds(1))
                timer = forgotten
            }
            loop.run()
            #expect(fired == 1)
            #expect(timer != nil)
            loop.closeAllHandles()
        }
        #expect(timer == nil)
        #expect(owner == nil)
    }

    @Test func `a host name is looked up`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        var answer: Result<[Address], UVError>?
        let lookup = try NameLookup(loop, host: "localhost", port: 7) { answer = $0 }
        #expect(loop.run { answer != nil })
        let addresses = try answer?.get() ?? []
        #expect(addresses.contains { $0.isLoopback && $0.port == 7 })
        lookup.cancel()

        var second: Result<[Address], UVError>?
        let cancelled = try NameLookup(loop, host: "localhost", port: 7) { second = $0 }
        cancelled.cancel()
        loop.run()
        #expect(second == nil)
    }

    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1:80", true, false), ("127.8.9.1", "127.8.9.1:80", true, false),
        ("::1", "[::1]:80", true, false), ("0.0.0.0", "0.0.0.0:80", false, true),
        ("::", "[::]:80", false, true), ("10.1.2.3", "10.1.2.3:80", false, false),
        ("fe80:0::1", "[fe80::1]:80", false, false),
    ])
    func `an address reads and prints`(
        host: String, text: String, isLoopback: Bool, isWildcard: Bool
    ) throws {
        let address = try Address(host: host, port: 80)
        #expect(address.description == text)
        #expect(address.isLoopback == isLoopback)
        #expect(address.isWildcard == isWildcard)
        #expect(address.with(port: 81).port == 81)
    }

    @Test(arguments: ["", "localhost", "127.0.0", "1.2.3.4.5", ":", "*"])
    func `what is no address throws`(text: String) {
        #expect(throws: UVError.self) { _ = try Address(host: text, port: 1) }
    }
}
