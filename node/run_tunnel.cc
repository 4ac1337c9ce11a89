#include "node/run_tunnel.hh"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/joined.hh"
#include "model/underlay.hh"

namespace pleat {

namespace {

using boost::asio::ip::udp;

constexpr Duration kLookEvery = std::chrono::milliseconds{50};
constexpr Duration kPatience = std::chrono::seconds{3};
// Changes below this are not worth a command to the packet thread.
constexpr Duration kWorthTelling = std::chrono::microseconds{5};

constexpr Duration kUnavoidable = kAddedByPlanes;
// All their pairs are looked at in 0.1 s.
constexpr std::size_t kMostHostsLookedAt = 300;

std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const char* const first = text.data();
    const char* const last = first + text.size();
    const auto [end, status] = std::from_chars(first, last, port);
    if (status != std::errc{} || end != last || port == 0) return {};
    return port;
}

boost::asio::ip::address numeric_address(std::string text) {
    if (text.empty()) text = "127.0.0.1";
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    boost::system::error_code error;
    auto address = boost::asio::ip::make_address(text, error);
    if (!error) return address;
    boost::asio::io_context loop;
    udp::resolver resolver{loop};
    const auto found = resolver.resolve(text, "", error);
    if (error || found.empty()) {
        throw Failure{fmt::format("cannot find an address of '{}'", text)};
    }
    return found.begin()->endpoint().address();
}

}  // namespace

Result<PortRange> parse_port_range(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto first = port_of(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : port_of(text.substr(dash + 1));
    if (!first || !last || *last < *first) {
        return fail(fmt::format("expected ports such as 7500-7599, found '{}'", text));
    }
    return PortRange{.first = *first, .last = *last};
}

FileDescriptor open_tunnel_end(const std::string& address, PortRange ports) {
    const boost::asio::ip::address own = numeric_address(address);
    for (std::uint32_t port = ports.first; port <= ports.last; ++port) {
        try {
            return open_tunnel_socket({own, static_cast<std::uint16_t>(port)});
        } catch (const std::system_error& error) {
            if (error.code() != std::errc::address_in_use) throw;
        }
    }
    throw Failure{
        fmt::format("no UDP port from {} to {} is free (--tunnel-ports: two for each run)",
                    ports.first, ports.last)};
}

std::string endpoint_text(const udp::endpoint& endpoint) {
    const std::string address = endpoint.address().to_string();
    return fmt::format(fmt::runtime(endpoint.address().is_v6() ? "[{}]:{}" : "{}:{}"), address,
                       endpoint.port());
}

Result<udp::endpoint> parse_endpoint(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    std::string_view address = text.substr(0, colon);
    if (address.starts_with('[') && address.ends_with(']')) {
        address = address.substr(1, address.size() - 2);
    }
    boost::system::error_code error;
    const auto parsed = boost::asio::ip::make_address(std::string{address}, error);
    const auto port =
        colon == std::string_view::npos ? std::nullopt : port_of(text.substr(colon + 1));
    if (error || !port) {
        return fail(fmt::format("expected ADDRESS:PORT of a tunnel, found '{}'", text));
    }
    return udp::endpoint{parsed, *port};
}

FileDescriptor reopen_tunnel_end(const std::string& endpoint) {
    const Result<udp::endpoint> known = parse_endpoint(endpoint);
    if (!known) throw Failure{known.error().message};
    try {
        return open_tunnel_socket(*known);
    } catch (const std::system_error& error) {
        throw Failure{fmt::format("the peers' packets come to {}, and it can't be opened again: {}",
                                  endpoint, error.code().message())};
    }
}

MachineNumber machine_number(const std::string& name, const std::string& node,
                             const std::vector<Peer>& peers) {
    return static_cast<MachineNumber>(
        std::ranges::count_if(peers, [&name](const Peer& peer) { return peer.name < name; }) +
        (node < name ? 1 : 0));
}

std::optional<TunnelSettings> tunnel_settings(const std::string& node,
                                              const std::vector<Peer>& peers,
                                              const Scenario& scenario, bool encrypt,
                                              FileDescriptor socket) {
    if (!socket.open()) return {};
    TunnelSettings settings{.machine = machine_number(node, node, peers),
                            .socket = std::move(socket),
                            .encrypt = encrypt,
                            .peers = {},
                            .outside = {}};
    for (const Peer& peer : peers) {
        const Result<udp::endpoint> endpoint = parse_endpoint(peer.way);
        if (!endpoint || peer.way_key.size() != sizeof(TunnelKey)) {
            throw Failure{fmt::format("machine {} has no way for hosts' packets", peer.name)};
        }
        TunnelPeer& added = settings.peers.emplace_back(
            TunnelPeer{.machine = machine_number(peer.name, node, peers),
                       .name = peer.name,
                       .endpoint = *endpoint,
                       .key = {},
                       .hosts = peer.hosts,
                       .underlay_latency = {}});
        std::ranges::transform(peer.way_key, added.key.begin(),
                               [](char byte) { return static_cast<std::uint8_t>(byte); });
        for (const HostId host : peer.hosts) {
            if (scenario.applications.at(host.value).outside) settings.outside = host;
        }
    }
    return settings;
}

RunTunnel::RunTunnel(boost::asio::io_context& loop, DataPlane& plane,
                     const std::vector<Peer>& peers, std::function<void()> opened,
                     std::function<void(const std::string&)> warn)
    : plane_{plane},
      opened_{std::move(opened)},
      warn_{std::move(warn)},
      open_{plane.peers().empty()},
      began_{monotonic_now()},
      timer_{loop, kLookEvery, [this](Instant now) { look(now); }} {
    if (open_) return;
    for (const Peer& peer : peers) {
        ways_.push_back({.name = peer.name,
                         .endpoint = peer.way,
                         .hosts = peer.hosts,
                         .round_trip = {},
                         .told = {}});
    }
    timer_.start();
}

void RunTunnel::look(Instant now) {
    const std::vector<TunnelPeerState> states = plane_.peers();
    bool all = true;
    for (std::size_t i = 0; i < states.size(); ++i) {
        Way& way = ways_[i];
        way.round_trip = states[i].round_trip;
        all = all && states[i].ready && way.round_trip;
        if (!way.round_trip) continue;
        const Duration one_way = *way.round_trip / 2;
        if (way.told && std::chrono::abs(one_way - *way.told) < kWorthTelling) continue;
        way.told = one_way;
        plane_.set_underlay_latency(states[i].machine, one_way);
    }
    if (open_) return;
    if (!all) return warn_if_late(now);
    open_ = true;
    opened_();
}

std::vector<std::pair<std::string, Duration>> RunTunnel::round_trips() const {
    std::vector<std::pair<std::string, Duration>> known;
    for (const Way& way : ways_) {
        if (way.round_trip) known.emplace_back(way.name, *way.round_trip);
    }
    return known;
}

std::string RunTunnel::too_quick_paths(const std::string& node, const PathFolder& folder,
                                       const PathTable& table) const {
    const std::size_t hosts = folder.topology().hosts().size();
    if (hosts > kMostHostsLookedAt) return {};
    Placement placement(hosts, MachineId{0});  // ours
    std::vector<UnderlayLink> underlay;
    for (std::uint32_t i = 0; i < ways_.size(); ++i) {
        for (const HostId host : ways_[i].hosts) placement[host.value] = MachineId{i + 1};
        const Duration round_trip = ways_[i].round_trip.value_or(Duration::zero());
        const Duration beyond = round_trip - 2 * kUnavoidable;
        if (ways_[i].name < node || beyond <= Duration::zero()) continue;
        underlay.push_back(
            {.from = MachineId{0}, .to = MachineId{i + 1}, .round_trip = beyond, .rate = {}});
    }
    const UnderlayFindings found = check_underlay(folder, table, placement, underlay, 1);
    if (found.findings.empty()) return {};
    const auto& first = std::get<LatencyBelowReal>(found.findings.front());
    const auto milliseconds = [](Duration d) {
        return std::chrono::duration<double, std::milli>{d}.count();
    };
    return fmt::format(
        "{} paths between machine {} and others are asked to be quicker than the network between "
        "them, "
        "and will not be: {} -> {} {:.2f} ms, the network {:.2f} ms",
        found.total, node, folder.topology().host(first.flow.source).name,
        folder.topology().host(first.flow.destination).name, milliseconds(first.emulated),
        milliseconds(first.real + kUnavoidable));
}

void RunTunnel::warn_if_late(Instant now) {
    if (warned_ || now < began_ + kPatience) return;
    warned_ = true;
    std::vector<std::string> silent;
    for (const Way& way : ways_) {
        if (!way.round_trip) {
            silent.push_back(fmt::format("{} ({})", way.name, way.endpoint));
        }
    }
    if (silent.empty()) return;
    warn_(fmt::format("no answer yet from {}: does a firewall let UDP through?",
                      joined(silent, ", ")));
}

}  // namespace pleat
