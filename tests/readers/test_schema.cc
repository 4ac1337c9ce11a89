// schema/topology.schema.json, which editors use, and the reader know the same keys.
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include "tests/readers/reading.hh"

namespace pleat::testing {

namespace {

using nlohmann::json;

std::set<std::string> keys_of(const json& properties) {
    std::set<std::string> keys;
    for (const auto& [key, value] : properties.items()) keys.insert(key);
    REQUIRE(keys.size() > 3);
    return keys;
}

struct Schema {
    Schema() {
        std::ifstream file{"schema/topology.schema.json"};
        const json all = json::parse(file);
        top = keys_of(all.at("properties"));
        host = keys_of(all.at("definitions").at("host").at("properties"));
        link = keys_of(all.at("definitions").at("link").at("oneOf").at(1).at("properties"));
    }

    std::set<std::string> top;
    std::set<std::string> host;
    std::set<std::string> link;
};

bool unknown(const std::string& text, const std::string& key) {
    for (const Problem& problem : read(text).problems) {
        if (problem.code == "unknown-key" &&
            problem.message.find("'" + key + "'") != std::string::npos) {
            return true;
        }
    }
    return false;
}

std::string with_top(const std::string& key) {
    return key + ":\n" + (key == "hosts" ? "" : "hosts: {a: , b: }\n");
}

std::string with_host(const std::string& key) {
    return "hosts: {a: {" + key + ": }, b: }\nlinks: [a -- b: 1ms]\n";
}

std::string with_link(const std::string& key) {
    return "hosts: {a: , b: }\nlinks: [a -- b: {" + key + ": x}]\n";
}

void check_keys(const YAML::Node& map, const std::set<std::string>& known) {
    for (const auto& entry : map) {
        const auto key = entry.first.as<std::string>();
        INFO(key);
        CHECK((known.contains(key) || key.starts_with("x-")));
    }
}

}  // namespace

TEST_CASE("every key of the schema is one that the reader knows") {
    const Schema schema;
    REQUIRE(unknown(with_top("nonsense"), "nonsense"));
    REQUIRE(unknown(with_host("nonsense"), "nonsense"));
    REQUIRE(unknown(with_link("nonsense"), "nonsense"));
    for (const std::string& key : schema.top) {
        INFO(key);
        CHECK_FALSE(unknown(with_top(key), key));
    }
    for (const std::string& key : schema.host) {
        INFO(key);
        CHECK_FALSE(unknown(with_host(key), key));
    }
    for (const std::string& key : schema.link) {
        INFO(key);
        CHECK_FALSE(unknown(with_link(key), key));
    }
}

TEST_CASE("every key that the examples use is in the schema") {
    const Schema schema;
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"topologies"}) {
        if (entry.path().extension() != ".yaml") continue;
        INFO(entry.path());
        ++files;
        const YAML::Node all = YAML::LoadFile(entry.path().string());
        check_keys(all, schema.top);
        for (const auto& host : all["hosts"]) {
            if (host.second.IsMap()) check_keys(host.second, schema.host);
        }
        for (const auto& link : all["links"]) {
            if (!link.IsMap()) continue;
            for (const auto& words : link) {
                if (words.second.IsMap()) check_keys(words.second, schema.link);
            }
        }
    }
    CHECK(files >= 7);
}

}  // namespace pleat::testing
