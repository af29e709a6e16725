@main struct SkeinSim {
    static func main() {}
}
