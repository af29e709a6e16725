internal import Bytes
internal import Commands

/// INFO commandstats, errorstats and latencystats, in the form of redis-server 7.0. What the numbers
/// mean is said in CommandStatistics.
extension InfoReport {
    static func commands(_ node: borrowing NodeState) -> [String] {
        var lines: [String] = []
        for spec in CommandTable.all {
            let row = node.commandStatistics.rows[spec.id]
            guard row.calls > 0 || row.rejected > 0 || row.failed > 0 else { continue }
            let microseconds = row.nanoseconds / 1000
            let each = row.calls == 0 ? 0 : Double(microseconds) / Double(row.calls)
            lines.append(
                "cmdstat_\(spec.name):calls=\(row.calls),usec=\(microseconds),usec_per_call=\(decimal(each, 2)),rejected_calls=\(row.rejected),failed_calls=\(row.failed)"
            )
        }
        return lines
    }

    static func errors(_ node: borrowing NodeState) -> [String] {
        node.commandStatistics.errors.codes.map {
            "errorstat_\(String(decoding: $0.name, as: UTF8.self)):count=\($0.count)"
        }
    }

    static func latencies(_ node: borrowing NodeState) -> [String] {
        var lines: [String] = []
        for spec in CommandTable.all {
            guard
                let told = node.commandStatistics.latency(
                    of: spec.id, shares: [0.5, 0.99, 0.999])
            else { continue }
            lines.append(
                "latency_percentiles_usec_\(spec.name):p50=\(decimal(told[0], 3)),p99=\(decimal(told[1], 3)),p99.9=\(decimal(told[2], 3))"
            )
        }
        return lines
    }

    /// A number that is not negative, with so many decimals.
    private static func decimal(_ value: Double, _ places: Int) -> String {
        let scale = places == 2 ? 100 : 1000
        let scaled = Int((value * Double(scale)).rounded())
        let fraction = String(scaled % scale)
        return
            "\(scaled / scale).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
    }
}
