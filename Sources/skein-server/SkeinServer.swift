@main struct SkeinServer {
    static func main() {}
}
