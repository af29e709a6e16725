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
        .target(name: "CSkein", cSettings: cSettings),
        .target(name: "Bytes", dependencies: ["CSkein"], swiftSettings: pure),
        .testTarget(name: "BytesTests", dependencies: ["Bytes"], swiftSettings: common),
    ],
    swiftLanguageModes: [.v6]
)
