import Bytes
import Testing
import UV

@Suite struct MailboxTests {
    struct Letter: Sendable {
        var sender: Int
        var number: Int
    }

    @Test func `letters of many threads arrive all, each sender's in order`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        let mailbox = Mailbox<Letter>()
        let senders = 4
        let letters = 10_000
        var next = [Int](repeating: 0, count: senders)
        var inOrder = true
        try mailbox.attach(to: loop) { letter in
            inOrder = inOrder && next[letter.sender] == letter.number
            next[letter.sender] += 1
        }
        let threads = try (0..<senders).map { sender in
            try Thread(name: "sender \(sender)") {
                for number in 0..<letters { mailbox.post(Letter(sender: sender, number: number)) }
            }
        }
        #expect(loop.run { next.allSatisfy { $0 == letters } })
        #expect(inOrder)
        for thread in threads { thread.join() }
        mailbox.detach()
    }

    @Test func `what was posted before the mailbox opened is delivered`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        let mailbox = Mailbox<Int>()
        mailbox.post(1)
        mailbox.post(2)
        var received: [Int] = []
        try mailbox.attach(to: loop) { received.append($0) }
        #expect(loop.run { received == [1, 2] })
        mailbox.detach()
        mailbox.post(3)
        loop.runWithoutWaiting()
        #expect(received == [1, 2])
    }

    @Test func `a handler may post and may detach`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        let mailbox = Mailbox<Int>()
        var received: [Int] = []
        try mailbox.attach(to: loop) { number in
            received.append(number)
            if number < 5 { mailbox.post(number + 1) } else { mailbox.detach() }
        }
        mailbox.post(1)
        loop.run()
        #expect(received == [1, 2, 3, 4, 5])
    }

    @Test func `a detached mailbox is freed`() throws {
        weak var mailbox: Mailbox<Int>?
        let loop = try Loop()
        do {
            let opened = Mailbox<Int>()
            try opened.attach(to: loop) { _ in }
            mailbox = opened
            opened.detach()
        }
        loop.closeAllHandles()
        #expect(mailbox == nil)
    }

    @Test func `two loops talk through their mailboxes`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        let requests = Mailbox<Int>()
        let replies = Mailbox<Int>()
        let worker = try Thread(name: "worker") {
            guard let loop = try? Loop() else { return }
            try? requests.attach(to: loop) { number in
                if number < 0 { requests.detach() } else { replies.post(number * 2) }
            }
            loop.run()
        }
        var sum = 0
        try replies.attach(to: loop) { sum += $0 }
        for number in 1...100 { requests.post(number) }
        #expect(loop.run { sum == 10_100 })
        requests.post(-1)
        worker.join()
        replies.detach()
    }
}
