#include "node/dataplane/netem/tcal.hh"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <set>
#include <system_error>
#include <unordered_map>

#include <linux/if_arp.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>

#include "base/error.hh"
#include "node/dataplane/kernel/refusals.hh"

namespace pleat {

namespace {

struct PutLink {
    void operator()(rtnl_link* link) const { rtnl_link_put(link); }
};

constexpr std::uint32_t kDefaultPackets = 100'000;  // drops nothing

ClassShape unlimited() {
    return class_shape(Bandwidth::unlimited(), Bandwidth::unlimited(), Overhead{});
}

std::string handle_text(std::uint32_t handle) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%x:", handle >> 16U);
    return text.data();
}

bool vanished(int error) {
    return error == ENODEV || error == ENXIO;
}

// Whose class, netem or queue it is; 0: of nobody.
std::uint16_t destination_of(const TcStatistics& one) {
    if (!one.is_class) return static_cast<std::uint16_t>((one.handle >> 16U) / 2);
    return TC_H_MAJ(one.handle) == kHtb ? static_cast<std::uint16_t>(TC_H_MIN(one.handle)) : 0;
}

int index_of(RouteSocket& socket, const std::string& interface) {
    const int index = socket.interface_index(interface);
    if (index == 0) throw Failure{"there is no interface " + interface};
    return index;
}

}  // namespace

Tcal::Tcal(int network_namespace, std::string interface, bool takeover, std::uint64_t seed,
           TcalMemory* memory)
    : interface_{std::move(interface)},
      socket_{network_namespace},
      messages_{index_of(socket_, interface_)},
      seed_{seed},
      own_memory_{memory == nullptr ? PlaneMemory::apart() : nullptr},
      memory_{memory == nullptr ? own_memory_->tcal() : *memory} {
    RequestBatch::prepare(socket_);
    goes_on_ = go_on();
    if (goes_on_) return;
    inspect(takeover);
    try {
        make_base();
        memory_.made = true;
    } catch (...) {
        restore();
        throw;
    }
}

Tcal::~Tcal() {
    try {
        restore();
    } catch (const std::exception&) {
        gone_ = true;  // the namespace goes; nothing is left to put back
    }
}

// Whether all is there that the memory says; else the memory is empty.
bool Tcal::go_on() {
    std::set<std::uint32_t> handles;
    bool has_root = false;
    bool has_clsact = false;
    if (memory_.made) {
        const auto note = [&](const nlmsghdr& header) {
            const auto* tc = static_cast<const tcmsg*>(nlmsg_data(&header));
            if (tc->tcm_ifindex != messages_.interface_index()) return;
            handles.insert(tc->tcm_handle);
            if (header.nlmsg_type != RTM_NEWQDISC) return;
            has_root = has_root || (tc->tcm_parent == TC_H_ROOT && tc->tcm_handle == kHtb);
            has_clsact = has_clsact || tc->tcm_parent == TC_H_CLSACT;
        };
        dump(socket_, messages_.all_qdiscs(), note);
        dump(socket_, messages_.all_classes(), note);
    }
    if (!has_root || !has_clsact) {
        memory_.made = false;
        memory_.segments = memory_.destinations = memory_.uplinks = 0;
        return false;
    }
    to_tell_again_.resize(memory_.destinations);
    for (std::size_t i = 0; i < memory_.destinations; ++i) {
        const auto minor = static_cast<std::uint16_t>(kFirstDestination + i);
        to_tell_again_[i] = memory_.destination[i].in_doubt || !handles.contains(class_id(minor)) ||
                            !handles.contains(netem_id(minor)) ||
                            !handles.contains(queue_id(minor));
    }
    for (std::size_t i = 0; i < memory_.uplinks; ++i) {
        uplinks_[memory_.uplink_links[i]].minor = static_cast<std::uint16_t>(kFirstUplink + i);
    }
    return true;
}

bool Tcal::has_htb() {
    RequestBatch reading;
    reading.add(messages_.read_qdisc(TC_H_ROOT, kHtb));
    return reading.send(socket_).empty();
}

bool Tcal::is_shaping() {
    if (!lost() && !has_htb()) drop_everything();
    return !lost();
}

void Tcal::drop_everything() {
    removed_ = true;
    NetemShape nothing;
    nothing.loss = kAlways;
    RequestBatch batch;
    batch.add(messages_.remove_qdisc(TC_H_ROOT, 0));  // whatever took the HTB's place
    batch.add(messages_.netem(TC_H_ROOT, kUnknownNetem, nothing, seed_));
    for (const RequestBatch::Refusal& refusal : batch.send(socket_)) {
        if (refusal.request == 0) continue;
        if (vanished(refusal.error) ||
            socket_.interface_index(interface_) != messages_.interface_index()) {
            gone_ = true;
            return;
        }
        throw Failure{"somebody has removed the HTB of interface " + interface_ +
                      ", and it can't be kept from sending: " +
                      std::system_category().message(refusal.error)};
    }
}

std::string Tcal::kind_at_clsact() {
    std::string kind;
    dump(socket_, messages_.all_qdiscs(), [&](const nlmsghdr& header) {
        const auto* tc = static_cast<const tcmsg*>(nlmsg_data(&header));
        if (tc->tcm_ifindex != messages_.interface_index() || tc->tcm_parent != TC_H_CLSACT) return;
        auto* message = const_cast<nlmsghdr*>(&header);  // libnl's parser has no const
        const nlattr* name = nlmsg_find_attr(message, sizeof(tcmsg), TCA_KIND);
        if (name != nullptr) kind = nla_get_string(name);
    });
    return kind;
}

bool Tcal::has_program() {
    // To the qdisc ingress its one block of filters is that of egress, too.
    if (const std::string kind = kind_at_clsact(); !kind.empty() && kind != "clsact") {
        throw Failure{"interface " + interface_ + " has a qdisc " + kind +
                      " of somebody else in the place of clsact"};
    }
    bool found = false;
    dump(socket_, messages_.all_egress_filters(), [&found](const nlmsghdr& header) {
        auto* message = const_cast<nlmsghdr*>(&header);  // libnl's parser has no const
        const auto* tc = static_cast<const tcmsg*>(nlmsg_data(&header));
        const nlattr* kind = nlmsg_find_attr(message, sizeof(tcmsg), TCA_KIND);
        if (kind == nullptr || tc->tcm_handle != 1) return;
        found = found || (TcMessages::is_ours(tc->tcm_info) &&
                          std::string_view{nla_get_string(kind)} == "bpf");
    });
    return found;
}

// Who is there already?
void Tcal::inspect(bool takeover) {
    rtnl_link* found = nullptr;
    if (const int status =
            rtnl_link_get_kernel(socket_.handle(), messages_.interface_index(), nullptr, &found);
        status < 0) {
        throw Failure{"cannot look at interface " + interface_ + ": " + nl_geterror(status)};
    }
    const std::unique_ptr<rtnl_link, PutLink> link{found};
    if (rtnl_link_get_arptype(link.get()) != ARPHRD_ETHER) {
        throw Failure{"interface " + interface_ +
                      " is no Ethernet interface; the netem plane shapes only such"};
    }
    static_cast<void>(rtnl_link_get_gso_max_segs(link.get(), &memory_.segments_before));

    struct Present {
        std::string kind;
        std::uint32_t parent = 0;
        std::uint32_t handle = 0;
        std::vector<char> options;
    };

    std::vector<Present> all;
    dump(socket_, messages_.all_qdiscs(), [&](const nlmsghdr& header) {
        const auto* tc = static_cast<const tcmsg*>(nlmsg_data(&header));
        if (tc->tcm_ifindex != messages_.interface_index() || tc->tcm_handle == 0) return;
        auto* message = const_cast<nlmsghdr*>(&header);  // libnl's parser has no const
        nlattr* kind = nlmsg_find_attr(message, sizeof(tcmsg), TCA_KIND);
        nlattr* options = nlmsg_find_attr(message, sizeof(tcmsg), TCA_OPTIONS);
        Present one{.kind = kind == nullptr ? "?" : nla_get_string(kind),
                    .parent = tc->tcm_parent,
                    .handle = tc->tcm_handle,
                    .options = {}};
        if (options != nullptr) {
            const auto* begin = static_cast<const char*>(nla_data(options));
            one.options.assign(begin, begin + nla_len(options));
        }
        all.push_back(std::move(one));
    });
    const auto refuse = [this](const Present& one, const std::string& how) {
        throw Failure{"interface " + interface_ + " has a qdisc " + one.kind + " " +
                      handle_text(one.handle) + " of somebody else; " + how};
    };
    const auto root =
        std::ranges::find_if(all, [](const Present& one) { return one.parent == TC_H_ROOT; });
    const bool ours = root != all.end() && root->kind == "htb" && root->handle == kHtb;
    for (const Present& one : all) {
        const bool at_root = one.parent == TC_H_ROOT;
        const bool at_edge = one.parent == TC_H_CLSACT;
        if (ours || (!at_root && !at_edge)) continue;
        if (!takeover) refuse(one, std::string{"remove it"} + kOrTakeOver);
        if (at_edge) {
            if (one.kind != "clsact") refuse(one, "it can't be kept, only clsact can: remove it");
            own_clsact_ = false;
            continue;
        }
        const auto below = std::ranges::find_if(all, [&](const Present& other) {
            return other.parent != TC_H_ROOT && TC_H_MAJ(other.parent) == TC_H_MAJ(one.handle);
        });
        if (below != all.end()) {
            refuse(one, "it has classes, which can't be put back at the end: remove it");
        }
        foreign_ = Foreign{.kind = one.kind, .handle = one.handle, .options = one.options};
    }
    if (!ours && !foreign_) return;
    // Ours: of a run that was killed.
    request_quietly(messages_.remove_qdisc(TC_H_ROOT, 0));
    if (ours) request_quietly(messages_.remove_qdisc(TC_H_CLSACT, 0));
    commit();
}

void Tcal::make_base() {
    request("make an HTB", messages_.htb());
    request("make the default class", messages_.uplink(kDefaultClass, unlimited()));
    request("make the default class",
            messages_.packet_queue(kDefaultClass, kDefaultQueue, kDefaultPackets));
    NetemShape nothing;
    nothing.loss = kAlways;
    for (const auto& [classid, netem] : {std::pair{kUnknownClass, kUnknownNetem},
                                         std::pair{kUnreachableClass, kUnreachableNetem}}) {
        request("make a class that drops", messages_.uplink(classid, unlimited()));
        request("make a class that drops", messages_.netem(classid, netem, nothing, seed_));
    }
    if (own_clsact_) request("make a clsact", messages_.clsact());
    commit();
}

void Tcal::restore() {
    batch_ = {};
    attempts_.clear();
    if (gone_) return;
    removed_ = false;
    memory_.made = false;
    request_quietly(messages_.remove_qdisc(TC_H_ROOT, 0));
    if (own_clsact_) {
        request_quietly(messages_.remove_qdisc(TC_H_CLSACT, 0));
    } else {
        request_quietly(messages_.remove_program(true));
        request_quietly(messages_.remove_program(false));
    }
    if (memory_.segments != 0) request_quietly(messages_.gso_segments(memory_.segments_before));
    if (foreign_) {
        NetlinkMessage message = RouteSocket::message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
        tcmsg header{};
        header.tcm_ifindex = messages_.interface_index();
        header.tcm_parent = TC_H_ROOT;
        header.tcm_handle = foreign_->handle;
        nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO);
        nla_put_string(message.get(), TCA_KIND, foreign_->kind.c_str());
        if (!foreign_->options.empty()) {
            nla_put(message.get(), TCA_OPTIONS, static_cast<int>(foreign_->options.size()),
                    foreign_->options.data());
        }
        request("put back a qdisc", std::move(message));
    }
    commit();
}

void Tcal::request(const char* attempt, NetlinkMessage message) {
    batch_.add(std::move(message));
    attempts_.push_back(attempt);
}

void Tcal::request_quietly(NetlinkMessage message) {
    batch_.add(std::move(message));
    attempts_.push_back(nullptr);
}

void Tcal::commit() {
    const std::vector<const char*> attempts = std::exchange(attempts_, {});
    const std::vector<std::uint16_t> doubted = std::exchange(doubted_, {});
    if (lost()) {
        batch_ = {};
        return;
    }
    if (batch_.empty()) return;
    for (const RequestBatch::Refusal& refusal : batch_.send(socket_)) {
        if (vanished(refusal.error)) {
            gone_ = true;
            return;
        }
        const char* const attempt = attempts[refusal.request];
        if (attempt == nullptr) continue;
        // Of a vanished interface all that is below it is missing, too.
        if (socket_.interface_index(interface_) != messages_.interface_index()) {
            gone_ = true;
            return;
        }
        if (memory_.made && !is_shaping()) return;
        std::string text = "cannot " + std::string{attempt} + " on interface " + interface_ + ": " +
                           std::system_category().message(refusal.error);
        if (!refusal.why.empty()) text += " (" + refusal.why + ")";
        throw Failure{text};
    }
    for (const std::uint16_t minor : doubted) destination(minor).in_doubt = false;
}

std::uint16_t Tcal::shape_uplink(std::uint32_t link, const ClassShape& shape) {
    auto [it, is_new] = uplinks_.try_emplace(link);
    Uplink& uplink = it->second;
    if (is_new) {
        const std::size_t minor = kFirstUplink + uplinks_.size() - 1;
        if (minor > kLastUplink) {
            throw Failure{"interface " + interface_ +
                          " would need more access links than an HTB "
                          "has room for"};
        }
        uplink.minor = static_cast<std::uint16_t>(minor);
        memory_.uplink_links[minor - kFirstUplink] = link;
        memory_.uplinks = static_cast<std::uint32_t>(uplinks_.size());
    }
    if (uplink.shape != shape) {
        request("shape an access link", messages_.uplink(class_id(uplink.minor), shape));
        uplink.shape = shape;
    }
    return uplink.minor;
}

std::uint16_t Tcal::add_destination(HostId row) {
    const std::size_t minor = kFirstDestination + memory_.destinations;
    if (minor > kLastDestination) {
        throw Failure{"interface " + interface_ + " would need more than " +
                      std::to_string(kLastDestination - kFirstDestination + 1) +
                      " destinations: an HTB holds at most 65,535 classes and their qdiscs; use "
                      "another data plane"};
    }
    memory_.destination[memory_.destinations] =
        DestinationMemory{.row = row.value + 1, .shape = {}};
    ++memory_.destinations;
    return static_cast<std::uint16_t>(minor);
}

DestinationMemory& Tcal::destination(std::uint16_t minor) {
    const auto place = static_cast<std::size_t>(minor - kFirstDestination);
    PLEAT_ASSERT(place < memory_.destinations);
    return memory_.destination[place];
}

// Until the kernel has answered.
void Tcal::doubt(std::uint16_t minor) {
    DestinationMemory& one = destination(minor);
    one.in_doubt = true;
    doubted_.push_back(minor);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // before what follows is written
}

void Tcal::netem_of(std::uint16_t minor, const DestinationMemory& one) {
    request("make or change a netem",
            messages_.netem(class_id(minor), netem_id(minor), one.shape.netem, seed_ + minor));
}

void Tcal::queue_of(std::uint16_t minor, const DestinationMemory& one) {
    request("make or change a queue",
            messages_.byte_queue(netem_id(minor) | 1U, queue_id(minor), one.shape.queue_bytes));
}

void Tcal::shape_destination(std::uint16_t minor, std::uint16_t uplink,
                             const DestinationShape& shape) {
    DestinationMemory& one = destination(minor);
    PLEAT_ASSERT(!one.shaped || one.uplink == uplink);
    const std::size_t place = minor - kFirstDestination;
    const bool again = place < to_tell_again_.size() && to_tell_again_[place];
    const bool all = !one.shaped || again;
    if (!all && one.shape == shape) return;
    const DestinationShape before = one.shape;
    doubt(minor);
    one.uplink = uplink;
    one.shape = shape;
    one.shaped = true;
    if (again) to_tell_again_[place] = false;
    if (all || before.clock != shape.clock) {
        request("make or change a class",
                messages_.destination(minor, class_id(uplink), shape.clock));
    }
    if (all || before.netem != shape.netem) netem_of(minor, one);
    if (all || before.queue_bytes != shape.queue_bytes) queue_of(minor, one);
}

const DestinationShape& Tcal::shape_of(std::uint16_t minor) const {
    const auto place = static_cast<std::size_t>(minor - kFirstDestination);
    PLEAT_ASSERT(place < memory_.destinations && memory_.destination[place].shaped);
    return memory_.destination[place].shape;
}

void Tcal::change_bandwidth(std::uint16_t minor, const ClassShape& clock) {
    DestinationMemory& one = destination(minor);
    PLEAT_ASSERT(one.shaped);
    if (one.shape.clock == clock) return;
    doubt(minor);
    one.shape.clock = clock;
    request("change a class", messages_.destination(minor, class_id(one.uplink), clock));
}

void Tcal::drop_waiting(std::uint16_t minor) {
    if (lost() || !destination(minor).shaped) return;
    commit();
    if (lost()) return;
    const DestinationUsage last = usage(minor);
    DestinationMemory& one = destination(minor);
    doubt(minor);
    one.queue_drops = last.queue_drops;
    one.netem_drops = last.netem_drops;
    one.flushed = last.flushed + last.held_packets;
    if (last.held_packets == 0) return;
    request("drop what waits", messages_.remove_qdisc(class_id(minor), netem_id(minor)));
    netem_of(minor, one);
    queue_of(minor, one);
}

void Tcal::limit_segments(std::uint32_t most) {
    if (memory_.segments != 0 && memory_.segments <= most) return;
    if (memory_.segments_before != 0 && memory_.segments_before <= most) return;
    memory_.segments = most;
    request("limit the segments of a packet", messages_.gso_segments(most));
}

void Tcal::add_up(DestinationUsage& usage, const TcStatistics& one) const {
    if (one.is_class) {
        usage.bytes = one.bytes;
        usage.packets = one.packets;
        usage.held_packets = one.queued_packets;
    } else if (one.handle == queue_id(usage.destination)) {
        usage.queue_drops = one.drops;
        usage.waiting_bytes = one.queued_bytes;
        usage.waiting_packets = one.queued_packets;
    } else {
        usage.netem_drops = one.drops;
    }
}

// netem counts its queue's drops, too.
void Tcal::complete(DestinationUsage& usage) const {
    const DestinationMemory& one = memory_.destination[usage.destination - kFirstDestination];
    usage.netem_drops -= std::min(usage.netem_drops, usage.queue_drops);
    usage.queue_drops += one.queue_drops;
    usage.netem_drops += one.netem_drops;
    usage.flushed = one.flushed;
}

std::vector<DestinationUsage> Tcal::usage(std::span<const std::uint16_t> minors) {
    std::vector<DestinationUsage> all;
    std::unordered_map<std::uint16_t, std::size_t> place_of;
    RequestBatch reading;
    for (const std::uint16_t minor : minors) {
        place_of[minor] = all.size();
        all.push_back(DestinationUsage{.destination = minor});
        if (lost()) continue;
        reading.add(messages_.read_class(class_id(minor)));
        reading.add(messages_.read_qdisc(class_id(minor), netem_id(minor)));
        reading.add(messages_.read_qdisc(netem_id(minor) | 1U, queue_id(minor)));
    }
    if (reading.empty()) return all;
    const auto refusals = reading.send(socket_, [&](const nlmsghdr& header) {
        const auto one = tc_statistics(header);
        if (!one) return;
        const auto place = place_of.find(destination_of(*one));
        if (place != place_of.end()) add_up(all[place->second], *one);
    });
    for (const auto& refusal : refusals) {
        if (vanished(refusal.error)) gone_ = true;
    }
    for (DestinationUsage& one : all) complete(one);
    return all;
}

DestinationUsage Tcal::usage(std::uint16_t minor) {
    return usage(std::span{&minor, 1}).front();
}

std::vector<DestinationUsage> Tcal::usage_of_all() {
    std::vector<DestinationUsage> all;
    all.reserve(memory_.destinations);
    for (std::size_t i = 0; i < memory_.destinations; ++i) {
        all.push_back({.destination = static_cast<std::uint16_t>(kFirstDestination + i)});
    }
    if (lost() || all.empty()) return all;
    const auto add = [&](const nlmsghdr& header) {
        const auto one = tc_statistics(header);
        if (!one || one->interface_index != messages_.interface_index()) return;
        const std::size_t minor = destination_of(*one);
        if (minor < kFirstDestination || minor - kFirstDestination >= all.size()) return;
        add_up(all[minor - kFirstDestination], *one);
    };
    dump(socket_, messages_.all_classes(), add);
    dump(socket_, messages_.all_qdiscs(), add);
    for (DestinationUsage& one : all) complete(one);
    return all;
}

Tcal::Dropped Tcal::dropped() {
    if (lost()) return dropped_;
    RequestBatch reading;
    reading.add(messages_.read_qdisc(kUnknownClass, kUnknownNetem));
    reading.add(messages_.read_qdisc(kUnreachableClass, kUnreachableNetem));
    reading.send(socket_, [this](const nlmsghdr& header) {
        const auto one = tc_statistics(header);
        if (!one) return;
        (one->handle == kUnknownNetem ? dropped_.unknown : dropped_.unreachable) = one->drops;
    });
    return dropped_;
}

}  // namespace pleat
