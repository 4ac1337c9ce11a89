#include "node/dataplane/edt/place_register.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <string>
#include <string_view>

#include <unistd.h>

#include "base/error.hh"

namespace pleat {

namespace {

constexpr std::string_view kPrefix = "host-";

std::string link_name(HostId host) {
    return std::string{kPrefix} + std::to_string(host.value);
}

std::uint32_t number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        throw Failure{"the places of hosts that are pinned can't be read: '" + std::string{text} +
                      "' is no number"};
    }
    return value;
}

}  // namespace

PlaceRegister::PlaceRegister(int directory) : directory_{directory} {
    if (directory < 0) return;
    for (const auto& entry :
         std::filesystem::directory_iterator{"/proc/self/fd/" + std::to_string(directory)}) {
        const std::string name = entry.path().filename();
        if (!name.starts_with(kPrefix)) continue;
        const HostId host{number(std::string_view{name}.substr(kPrefix.size()))};
        places_[host] = number(std::filesystem::read_symlink(entry.path()).native());
    }
    hosts_.resize(places_.size());
    std::vector<bool> taken(places_.size());
    for (const auto& [host, place] : places_) {
        if (place >= hosts_.size() || taken[place]) {
            throw Failure{"the places of hosts that are pinned don't fit together"};
        }
        taken[place] = true;
        hosts_[place] = host;
    }
}

std::optional<std::uint32_t> PlaceRegister::find(HostId host) const {
    const auto found = places_.find(host);
    if (found == places_.end()) return std::nullopt;
    return found->second;
}

std::uint32_t PlaceRegister::add(HostId host) {
    const auto place = static_cast<std::uint32_t>(hosts_.size());
    if (directory_ >= 0) {
        check("write down a host's place",
              ::symlinkat(std::to_string(place).c_str(), directory_, link_name(host).c_str()));
    }
    hosts_.push_back(host);
    places_[host] = place;
    return place;
}

void PlaceRegister::forget() {
    if (directory_ < 0) return;
    for (const HostId host : hosts_) ::unlinkat(directory_, link_name(host).c_str(), 0);
}

}  // namespace pleat
