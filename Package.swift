// swift-tools-version: 6.2
// One target per layer; an import upward does not compile. `docs/architecture.md` draws the arrows
// and `scripts/check` compares them with this file.
import PackageDescription

/// SKEIN_CI=1 turns every warning into an error, in C targets too.
let warningsAreErrors = Context.environment["SKEIN_CI"] == "1"

let common: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
        .enableExperimentalFeature("Lifetimes"),
    ] + (warningsAreErrors ? [.treatAllWarnings(as: .error)] : [])

/// Deterministic targets: no sockets, files, threads, clocks or random numbers of their own.
let pure: [SwiftSetting] = common + [.strictMemorySafety()]

/// What `skein-server --version` and INFO tell; scripts/build sets it. One C file holds it, so that
/// another commit costs a link and little more.
let commit = Context.environment["SKEIN_COMMIT"] ?? "unknown"

let cSettings: [CSetting] = warningsAreErrors ? [.treatAllWarnings(as: .error)] : []

let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "skein",
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    ],
    targets: [
        .systemLibrary(name: "CLibuv", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .target(name: "CSkein", cSettings: cSettings + [.define("SKEIN_COMMIT", to: commit)]),
        .target(
            name: "Bytes", dependencies: ["CSkein"],
            swiftSettings: pure),
        .target(
            name: "RESP", dependencies: ["Bytes"],
            swiftSettings: pure),
        .target(
            name: "Cluster", dependencies: ["Bytes"],
            swiftSettings: pure),
        .target(
            name: "Configuration", dependencies: ["Bytes"],
            swiftSettings: pure),
        .target(
            name: "Raft", dependencies: ["Bytes", deque],
            swiftSettings: pure),
        .target(
            name: "Store", dependencies: ["Cluster", "Bytes", deque],
            swiftSettings: pure),
        .target(
            name: "Commands", dependencies: ["RESP", "Store", "Cluster", "Bytes"],
            swiftSettings: pure),
        .target(
            name: "WAL", dependencies: ["Raft", "Bytes"],
            swiftSettings: pure),
        .target(
            name: "Snapshot", dependencies: ["CLZ4", "Raft", "Bytes"],
            swiftSettings: pure),
        .target(
            name: "PeerProtocol", dependencies: ["Raft", "Cluster", "RESP", "Bytes"],
            swiftSettings: pure),
        .target(
            name: "Engine",
            dependencies: [
                "PeerProtocol", "Commands", "Configuration", "Snapshot", "WAL", "Raft", "Store",
                "Cluster", "RESP", "Bytes", deque,
            ],
            swiftSettings: pure),
        .target(
            name: "UV", dependencies: ["CLibuv", "Bytes"],
            swiftSettings: common),
        .target(
            name: "Server",
            dependencies: [
                "Engine", "Configuration", "UV", "Snapshot", "WAL", "Raft", "CSkein", "Bytes",
                logging,
            ],
            swiftSettings: common),
        .target(
            name: "Simulator",
            dependencies: [
                "Engine", "Configuration", "Snapshot", "WAL", "Raft", "Store", "Cluster", "RESP",
                "Bytes", deque,
            ],
            swiftSettings: pure),
        .executableTarget(
            name: "skein-server", dependencies: ["Server"], swiftSettings: common),
        .executableTarget(
            name: "skein", dependencies: ["Server", arguments], swiftSettings: common),
        .executableTarget(
            name: "skein-sim", dependencies: ["Simulator", arguments], swiftSettings: common),
        // Real processes under faults, judged by the simulator's checkers; scripts/torture runs it.
        .executableTarget(
            name: "skein-torture", dependencies: ["Simulator", "Bytes", arguments],
            path: "Tests/Torture", swiftSettings: common),
        // What tests of several targets need; no test itself.
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: common),
        .testTarget(
            name: "BytesTests", dependencies: ["Bytes"],
            swiftSettings: common),
        .testTarget(
            name: "RESPTests", dependencies: ["RESP", "Bytes", "TestSupport"],
            swiftSettings: common),
        .testTarget(
            name: "ClusterTests", dependencies: ["Cluster", "Bytes"],
            swiftSettings: common),
        .testTarget(
            name: "ConfigurationTests", dependencies: ["Configuration", "Bytes"],
            swiftSettings: common),
        .testTarget(
            name: "RaftTests", dependencies: ["Raft", "Bytes", deque],
            exclude: ["Scripts"],
            swiftSettings: common),
        .testTarget(
            name: "StoreTests", dependencies: ["Store", "Cluster", "Bytes", deque],
            swiftSettings: common),
        .testTarget(
            name: "CommandsTests",
            dependencies: ["Commands", "RESP", "Store", "Cluster", "Bytes", "TestSupport"],
            swiftSettings: common),
        .testTarget(
            name: "WALTests", dependencies: ["WAL", "Raft", "Bytes"],
            swiftSettings: common),
        .testTarget(
            name: "SnapshotTests", dependencies: ["Snapshot", "Raft", "Bytes"],
            swiftSettings: common),
        .testTarget(
            name: "PeerProtocolTests",
            dependencies: ["PeerProtocol", "Raft", "Cluster", "RESP", "Bytes"],
            swiftSettings: common),
        .testTarget(
            name: "EngineTests",
            dependencies: [
                "Engine", "PeerProtocol", "Commands", "Configuration", "Snapshot", "WAL", "Raft",
                "Store", "Cluster", "RESP", "Bytes", "TestSupport", deque,
            ],
            swiftSettings: common),
        .testTarget(
            name: "UVTests", dependencies: ["UV", "Bytes"],
            swiftSettings: common),
        .testTarget(
            name: "ServerTests",
            dependencies: [
                "Server", "Engine", "Configuration", "UV", "Snapshot", "WAL", "Raft", "Bytes",
            ],
            swiftSettings: common),
        .testTarget(
            name: "SimulatorTests",
            dependencies: [
                "Simulator", "Engine", "Configuration", "Snapshot", "WAL", "Raft", "Store",
                "Cluster", "RESP", "Bytes", deque,
            ],
            swiftSettings: common),
        .testTarget(
            name: "SimulationTests", dependencies: ["Simulator", "Engine", "Raft", "Bytes"],
            swiftSettings: common),
        .testTarget(
            name: "ProcessTests", dependencies: ["WAL", "Bytes"], swiftSettings: common),
    ],
    swiftLanguageModes: [.v6]
)

// SKEIN_ONLY leaves a part that builds in a minute: UV, the libuv wrappers and their tests, for runs
// with a sanitizer; Process, the tests that drive a finished binary.
let parts: [String: Set] = [
    "UV": ["CLibuv", "CSkein", "Bytes", "UV", "UVTests"],
    "Process": ["CSkein", "Bytes", "Raft", "WAL", "ProcessTests"],
]
if let kept = Context.environment["SKEIN_ONLY"].flatMap({ parts[$0] }) {
    package.targets.removeAll { !kept.contains($0.name) }
}
