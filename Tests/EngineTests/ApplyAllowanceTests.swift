import Testing

@testable import Engine

@Suite struct ApplyAllowanceTests {
    /// Entries of `bytes` that the rest of a turn applies.
    private static func entries(_ allowance: inout ApplyAllowance, of bytes: Int) -> Int {
        var count = 0
        while allowance.take(bytes) { count += 1 }
        return count
    }

    @Test func `a turn applies so many bytes, and one entry at least`() {
        var allowance = ApplyAllowance(bytesPerTurn: 1000)
        #expect(Self.entries(&allowance, of: 300) == 3)
        allowance.renew(groups: 2)
        #expect(Self.entries(&allowance, of: 5000) == 1)
        allowance.renew(groups: 2)
        #expect(Self.entries(&allowance, of: 1000) == 1)
    }

    @Test func `a turn that takes up more applies more`() {
        let step = EngineLimits.applyInputStep
        var allowance = ApplyAllowance(bytesPerTurn: 1000)
        allowance.tookUp(step - 1)
        #expect(Self.entries(&allowance, of: 100) == 10)
        allowance.tookUp(1)
        #expect(Self.entries(&allowance, of: 100) == 10)
        allowance.renew(groups: 2)
        // In pieces, before anything is applied.
        for _ in 0..<6 { allowance.tookUp(step / 2) }
        #expect(Self.entries(&allowance, of: 100) == 40)
        allowance.renew(groups: 2)
        #expect(Self.entries(&allowance, of: 100) == 10)
    }
}
