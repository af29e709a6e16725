import Glibc
import Server

@main struct SkeinServer {
    static func main() {
        exit(ServerCommand.run(Array(CommandLine.arguments.dropFirst())))
    }
}
