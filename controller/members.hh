// Members: who may connect to the controller over TCP, by public key: machines, operators,
// and the tokens by which others may join. Kept in the store; asked at every message.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hh"
#include "controller/store.hh"

namespace pleat {

enum class Role : std::uint8_t { machine, client_operator, machine_token, operator_token };

class Members {
  public:
    // `store` must outlive it.
    explicit Members(Store& store);

    // Nothing: a stranger.
    std::optional<Role> role_of(const std::string& key) const;

    // The machine of this key; empty: none.
    std::string machine_of(const std::string& key) const;

    // Admits whoever shows this key, until it has been used.
    void add_token(const std::string& key, bool for_operator, std::string_view now_utc);

    // Uses the token: from now on `key` is the machine `name`, or an operator. Fails, and the
    // token stays, when the name can't be or is taken.
    Result<void> join(const std::string& token, const std::string& name, const std::string& key,
                      std::string_view now_utc);

    // False when there is none.
    bool remove_machine(const std::string& name);
    bool label_machine(const std::string& name, const std::vector<std::string>& labels);

    // By name.
    const std::map<std::string, StoredMachine>& machines() const { return machines_; }

  private:
    void reload();

    Store& store_;
    std::map<std::string, StoredMachine> machines_;
    std::map<std::string, Role> roles_;  // by key
};

// A name that can be used in files, messages and `place:`.
Result<void> check_machine_name(const std::string& name);

}  // namespace pleat
