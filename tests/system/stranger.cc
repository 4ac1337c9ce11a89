#include "tests/system/stranger.hh"

#include <algorithm>
#include <array>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include "base/error.hh"

namespace pleat::system_test {

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kIpHeader = 20;
constexpr std::size_t kUdpHeader = 8;

// /proc/PID/net/tcp and its like (proc(5)): " 0: 0B00630A:1CE8 00000000:0000 0A …", in hexadecimal.
std::vector<std::uint16_t> bound_ports(const std::string& file, const std::string& wanted_state) {
    std::vector<std::uint16_t> ports;
    std::ifstream table{file};
    std::string line;
    std::getline(table, line);
    while (std::getline(table, line)) {
        std::istringstream words{line};
        std::string number;
        std::string local;
        std::string remote;
        std::string state;
        words >> number >> local >> remote >> state;
        if (state != wanted_state || local.starts_with("0100007F:")) continue;
        const auto port =
            static_cast<std::uint16_t>(std::stoul(local.substr(local.rfind(':') + 1), nullptr, 16));
        if (std::ranges::find(ports, port) == ports.end()) ports.push_back(port);
    }
    return ports;
}

sockaddr_in address_of(const std::string& text, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    check("read an address", ::inet_pton(AF_INET, text.c_str(), &address.sin_addr) - 1);
    return address;
}

void put(Bytes& packet, std::size_t at, std::size_t value) {
    packet[at] = static_cast<std::uint8_t>(value >> 8U);
    packet[at + 1] = static_cast<std::uint8_t>(value);
}

// RFC 23 (ZMTP 3.0): signature, version, mechanism, "I am no server", filler.
Bytes greeting(const std::string& mechanism) {
    Bytes bytes{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0};
    bytes.insert(bytes.end(), mechanism.begin(), mechanism.end());
    bytes.resize(64);
    return bytes;
}

// A frame of this kind (RFC 23: 4 is a command, 2 a long one, 0 the last part of a message), which
// may say another size than it has.
Bytes frame(std::uint8_t kind, const Bytes& content, std::uint64_t said) {
    Bytes bytes{kind};
    const int bytes_of_size = (kind & 2U) != 0 ? 8 : 1;
    for (int i = bytes_of_size - 1; i >= 0; --i) {
        bytes.push_back(static_cast<std::uint8_t>(said >> (8 * i)));
    }
    bytes.insert(bytes.end(), content.begin(), content.end());
    return bytes;
}

Bytes joined(Bytes first, const Bytes& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

Bytes named(const std::string& command, std::size_t size) {
    Bytes bytes{static_cast<std::uint8_t>(command.size())};
    bytes.insert(bytes.end(), command.begin(), command.end());
    bytes.resize(size);
    return bytes;
}

// What comes first on a connection to a socket that wants CURVE (RFC 26) and is no such client.
std::vector<Bytes> openings(const Bytes& noise) {
    constexpr std::uint8_t kCommand = 4;
    constexpr std::uint8_t kLongCommand = 6;
    constexpr std::size_t kHello = 200;
    const Bytes curve = greeting("CURVE");
    const Bytes zeros = named("HELLO", kHello);
    Bytes random = zeros;
    std::copy(noise.begin(), noise.begin() + 190, random.begin() + 6);
    return {
        noise,
        joined(greeting("NULL"), frame(kCommand, named("READY", 30), 30)),
        joined(greeting("PLAIN"), frame(kCommand, named("HELLO", 30), 30)),
        joined(curve, frame(kCommand, zeros, kHello)),
        joined(curve, frame(kCommand, random, kHello)),
        joined(curve, frame(kCommand, named("HELLO", 20), 20)),
        joined(curve, frame(kCommand, named("INITIATE", 250), 250)),
        joined(curve, frame(kLongCommand, noise, std::uint64_t{1} << 62U)),
        joined(curve, frame(kLongCommand, noise, noise.size())),
        joined(curve, frame(0, Bytes(100, 'x'), 100)),
        joined(greeting("CURVE"), joined(greeting("CURVE"), greeting("CURVE"))),
    };
}

}  // namespace

OpenPorts open_ports(pid_t process) {
    const std::string net = "/proc/" + std::to_string(process) + "/net/";
    OpenPorts ports{.tcp = bound_ports(net + "tcp", "0A"), .udp = bound_ports(net + "udp", "07")};
    std::ranges::copy(bound_ports(net + "tcp6", "0A"), std::back_inserter(ports.tcp));
    std::ranges::copy(bound_ports(net + "udp6", "07"), std::back_inserter(ports.udp));
    return ports;
}

Holdings holdings(pid_t process) {
    const std::string directory = "/proc/" + std::to_string(process);
    Holdings result;
    std::ifstream status{directory + "/status"};
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) result.memory_bytes = std::stoull(line.substr(6)) << 10U;
    }
    for (const auto& each : std::filesystem::directory_iterator{directory + "/fd"}) {
        static_cast<void>(each);
        ++result.descriptors;
    }
    return result;
}

std::vector<std::uint8_t> content_of(const IpPacket& datagram) {
    return {datagram.begin() + kIpHeader + kUdpHeader, datagram.end()};
}

IpPacket with_content(const IpPacket& datagram, const std::vector<std::uint8_t>& content) {
    constexpr std::size_t kTotalLength = 2;
    constexpr std::size_t kIpChecksum = 10;
    constexpr std::size_t kUdpLength = 4;
    constexpr std::size_t kUdpChecksum = 6;
    IpPacket packet{datagram.begin(), datagram.begin() + kIpHeader + kUdpHeader};
    packet.insert(packet.end(), content.begin(), content.end());
    put(packet, kTotalLength, packet.size());
    put(packet, kIpHeader + kUdpLength, packet.size() - kIpHeader);
    put(packet, kIpHeader + kUdpChecksum, 0);  // none: RFC 768
    put(packet, kIpChecksum, 0);
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < kIpHeader; i += 2) {
        sum += static_cast<std::uint32_t>(packet[i] << 8U) + packet[i + 1];
    }
    while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
    put(packet, kIpChecksum, ~sum & 0xffffU);
    return packet;
}

void Stranger::attack(const std::string& address, const OpenPorts& ports) {
    std::exception_ptr failed;
    std::thread{[&] {
        try {
            const std::string path = "/run/netns/" + namespace_;
            const FileDescriptor there{
                check("open " + path, ::open(path.c_str(), O_RDONLY | O_CLOEXEC))};
            check("enter " + path, ::setns(there.value(), CLONE_NEWNET));
            for (const std::uint16_t port : ports.tcp) attack_tcp(address, port);
            for (const std::uint16_t port : ports.udp) attack_udp(address, port);
        } catch (...) {
            failed = std::current_exception();
        }
    }}.join();
    if (failed) std::rethrow_exception(failed);
}

void Stranger::attack_tcp(const std::string& address, std::uint16_t port) {
    const sockaddr_in to = address_of(address, port);
    const auto open = [&](const Bytes& bytes) {
        FileDescriptor socket{
            check("make a socket", ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
        const timeval patience{1, 0};  // a port may be closed by now, or not read from
        ::setsockopt(socket.value(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (::connect(socket.value(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
            return FileDescriptor{};
        }
        ++connections_;
        const ssize_t sent = ::send(socket.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent > 0) sent_bytes_ += static_cast<std::uint64_t>(sent);
        return socket;
    };
    for (const Bytes& bytes : openings(noise(60'000))) {
        static_cast<void>(open(bytes));  // closed at once
        // Half of it, and then nothing.
        const std::size_t half = std::min<std::size_t>(70, bytes.size() / 2);
        half_open_.push_back(open({bytes.data(), bytes.data() + half}));
    }
    half_open_.push_back(open({}));
}

void Stranger::attack_udp(const std::string& address, std::uint16_t port) {
    const sockaddr_in to = address_of(address, port);
    const FileDescriptor socket{
        check("make a socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))};
    for (const std::size_t size :
         {0U, 1U, 7U, 8U, 16U, 24U, 40U, 64U, 200U, 1400U, 9000U, 65'000U}) {
        for (int i = 0; i < 20; ++i) {
            const Bytes bytes = noise(size);
            const ssize_t sent = ::sendto(socket.value(), bytes.data(), bytes.size(), 0,
                                          reinterpret_cast<const sockaddr*>(&to), sizeof to);
            if (sent > 0) sent_bytes_ += static_cast<std::uint64_t>(sent);
        }
    }
}

std::vector<std::uint8_t> Stranger::noise(std::size_t size) {
    Bytes bytes(size);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random_());
    return bytes;
}

}  // namespace pleat::system_test
