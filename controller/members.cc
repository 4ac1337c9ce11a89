#include "controller/members.hh"

#include <algorithm>

#include <fmt/format.h>

namespace pleat {

namespace {

constexpr std::size_t kLongestName = 30;

bool fits_a_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

}  // namespace

Result<void> check_machine_name(const std::string& name) {
    const bool good = !name.empty() && name.size() <= kLongestName && name.front() != '-' &&
                      name.front() != '.' && std::ranges::all_of(name, fits_a_name);
    if (good) return {};
    return fail(fmt::format(
        "'{}' can't be a machine's name: expected up to {} letters, digits, '-', '_' or '.'", name,
        kLongestName));
}

Members::Members(Store& store) : store_{store} {
    reload();
}

void Members::reload() {
    // Whole, or as it was: the store may not be readable.
    std::map<std::string, StoredMachine> machines;
    std::map<std::string, Role> roles;
    for (StoredMachine& machine : store_.machines()) {
        roles[machine.key] = Role::machine;
        machines[machine.name] = std::move(machine);
    }
    for (const std::string& key : store_.operators()) roles[key] = Role::client_operator;
    for (const auto& [key, for_operator] : store_.tokens()) {
        roles[key] = for_operator ? Role::operator_token : Role::machine_token;
    }
    machines_ = std::move(machines);
    roles_ = std::move(roles);
}

std::optional<Role> Members::role_of(const std::string& key) const {
    const auto found = roles_.find(key);
    if (found == roles_.end()) return {};
    return found->second;
}

std::string Members::machine_of(const std::string& key) const {
    const auto found = std::ranges::find_if(
        machines_, [&key](const auto& machine) { return machine.second.key == key; });
    return found == machines_.end() ? std::string{} : found->first;
}

void Members::add_token(const std::string& key, bool for_operator, std::string_view now_utc) {
    store_.add_token(key, for_operator, now_utc);
    reload();
}

Result<void> Members::join(const std::string& token, const std::string& name,
                           const std::string& key, std::string_view now_utc) {
    const std::optional<Role> role = role_of(token);
    if (role != Role::machine_token && role != Role::operator_token) {
        return fail("this token was used already");
    }
    if (role_of(key)) return fail("this key is in use already");
    if (role == Role::machine_token) {
        if (const Result<void> good = check_machine_name(name); !good) return good;
        if (machines_.contains(name)) {
            return fail(fmt::format(
                "there is a machine {} already: join with another name, or remove that one first "
                "(pleat machines rm {})",
                name, name));
        }
        store_.add_machine(token, name, key, now_utc);
    } else {
        if (!name.empty()) {
            return fail("this token is an operator's: use it with `pleat machines join`");
        }
        store_.add_operator(token, key, now_utc);
    }
    reload();
    return {};
}

bool Members::remove_machine(const std::string& name) {
    const bool removed = store_.remove_machine(name);
    reload();
    return removed;
}

bool Members::label_machine(const std::string& name, const std::vector<std::string>& labels) {
    if (!machines_.contains(name)) return false;
    store_.set_labels(name, labels);
    reload();
    return true;
}

}  // namespace pleat
