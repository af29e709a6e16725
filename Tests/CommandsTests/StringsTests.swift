import Testing

@testable import Commands

@Suite struct `String commands` {
    let call = Runner()

    @Test func `GET gives what SET stored`() {
        #expect(call("SET", "a", "hello") == "+OK\r\n")
        #expect(call("GET", "a") == bulk("hello"))
        #expect(call("get", "b") == "$-1\r\n")
        #expect(call("SET", "a", "12345") == "+OK\r\n")
        #expect(call("GET", "a") == bulk("12345"))
        #expect(call("OBJECT", "ENCODING", "a") == bulk("int"))
    }
}
