#include "readers/yaml_hosts.hh"

#include <algorithm>
#include <array>

#include "readers/replica_set.hh"
#include "readers/shell_words.hh"
#include "readers/spelling.hh"
#include "readers/unit_text.hh"

namespace pleat {

namespace {

constexpr std::int64_t kMostReplicas = 65'000;
constexpr Duration kLongestReady = std::chrono::hours{24};

// What this build can't do yet; kept by name, and refused at `run`.
constexpr std::array<std::string_view, 4> kNotYet{"image", "command", "memory", "cpus"};

constexpr std::string_view kMachine = "machine:";

constexpr std::array<std::string_view, 18> kKeys{
    "run",  "replicas", "ready",  "after",   "env",    "main", "start", "user",    "sysctls",
    "tags", "image",    "attach", "command", "memory", "cpus", "place", "address", "stop"};

class HostReader {
  public:
    HostReader(const YamlNode& map, const YamlFields& fields) : map_{&map}, fields_{&fields} {}

    ApplicationDraft read() {
        ApplicationDraft app;
        for (std::size_t i = 0; i < map_->keys.size(); ++i) {
            const std::string& key = map_->keys[i].text;
            const YamlNode& value = map_->items[i];
            if (key == "run") app.arguments = read_command(value, "run:");
            if (key == "attach") read_attach(value, app);
            if (key == "address") app.address = fields_->text(value, "address:");
            if (key == "stop") app.stop = read_command(value, "stop:");
            if (key == "ready") read_ready(value, app);
            if (key == "after") app.after = fields_->texts(value, "after:");
            if (key == "env") read_environment(value, app);
            if (key == "sysctls") read_sysctls(value, app);
            if (key == "main") app.main = fields_->boolean(value, "main:");
            if (key == "user") app.user = fields_->text(value, "user:");
            if (key == "tags") app.tags = fields_->tags(value);
            if (key == "start") read_start(value, app);
            if (key == "place") read_place(value, app);
            if (std::ranges::find(kNotYet, key) != kNotYet.end()) {
                if (!value.is_null()) app.not_yet[key] = value_text(value);
            }
        }
        if (app.arguments && app.not_yet.contains("image")) {
            report().error(map_->find("image")->place, "bad-form",
                           "a host has `run:` or `image:`, not both");
        }
        check_attached(app);
        return app;
    }

  private:
    Report& report() const { return fields_->report(); }

    std::optional<std::vector<std::string>> read_command(const YamlNode& value,
                                                         const std::string& key) {
        std::vector<std::string> words;
        if (value.is_sequence()) {
            for (const YamlNode& argument : value.items) {
                if (argument.is_scalar()) {
                    words.push_back(argument.text);
                } else {
                    fields_->text(argument, key);
                }
            }
        } else {
            const auto line = fields_->text(value, key);
            if (!line) return {};
            auto arguments = split_shell(*line);
            if (!arguments) {
                report().error(value.place, "bad-command", key + " " + arguments.error().message);
                return {};
            }
            if (has_shell_operator(*line)) {
                report().warning(value.place, "no-shell",
                                 key +
                                     " starts no shell, so | > & ; are passed on as arguments; "
                                     "write sh -c '…'");
            }
            words = std::move(*arguments);
        }
        if (words.empty() || words.front().empty()) {
            report().error(value.place, "bad-command", key + " has no command");
        }
        return words;
    }

    void read_attach(const YamlNode& value, ApplicationDraft& app) {
        if (value.is_null()) return;
        const std::string text = value.is_scalar() ? value.text : value_text(value);
        if (!text.starts_with(kMachine)) {
            app.not_yet["attach"] = value_text(value);
            return;
        }
        app.machine = text.substr(kMachine.size());
        app.attached_place = value.place;
        if (app.machine->empty()) {
            report().error(
                value.place, "bad-value",
                "attach: expected machine:NAME, the name of a machine of the controller");
        }
    }

    void check_attached(const ApplicationDraft& app) {
        if (app.machine && app.place) {
            report().error(map_->find("place")->place, "bad-form",
                           "`attach: machine:NAME` says already on which machine it is");
        }
        if (app.machine && app.sysctls) {
            report().error(map_->find("sysctls")->place, "bad-form",
                           "sysctls: are not set on an attached machine");
        }
    }

    void read_place(const YamlNode& value, ApplicationDraft& app) {
        const auto text = fields_->text(value, "place:");
        if (!text) return;
        const Result<PlaceRule> rule = parse_place_rule(*text);
        if (!rule) {
            return report().error(value.place, "bad-value", "place: " + rule.error().message);
        }
        app.place = *text;
    }

    void read_ready(const YamlNode& value, ApplicationDraft& app) {
        constexpr std::array<std::string_view, 3> kReady{"tcp", "file", "after"};
        if (!fields_->is_map(value, "ready:")) return;
        fields_->check_keys(value, "ready:", kReady);
        if (value.keys.size() != 1) {
            report().error(value.place, "bad-form",
                           "ready: expected one of tcp:, file: and after:");
            return;
        }
        const YamlNode& item = value.items[0];
        const std::string& key = value.keys[0].text;
        if (key == "tcp") {
            const auto port = fields_->whole(item, "a TCP port", 1, 65'535);
            if (port) app.ready = ReadyWhenListening{static_cast<std::uint16_t>(*port)};
        } else if (key == "file") {
            const auto path = fields_->text(item, "file:");
            if (path) app.ready = ReadyWhenFile{*path};
        } else if (key == "after") {
            const auto text = fields_->text(item, "after:");
            if (!text) return;
            const auto delay = parse_duration(*text);
            if (!delay || *delay > kLongestReady) {
                report().error(item.place, "bad-value",
                               delay ? "after: expected at most a day" : delay.error().message,
                               unit_suggestion(*text));
            } else {
                app.ready = ReadyAfter{*delay};
            }
        }
    }

    void read_environment(const YamlNode& value, ApplicationDraft& app) {
        app.environment = fields_->text_map(value, "env:");
        if (!app.environment) return;
        for (const auto& [key, text] : *app.environment) {
            if (key.empty() || key.find('=') != std::string::npos) {
                report().error(value.place, "bad-name",
                               "env: '" + key + "' is no name of a variable");
            }
        }
    }

    void read_sysctls(const YamlNode& value, ApplicationDraft& app) {
        app.sysctls = fields_->text_map(value, "sysctls:");
        if (!app.sysctls) return;
        for (const auto& [key, text] : *app.sysctls) {
            constexpr std::string_view kAllowed =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
            // A path of /proc/sys: nothing that climbs out of it.
            if (!key.starts_with("net.") || key.find("..") != std::string::npos ||
                key.find_first_not_of(kAllowed) != std::string::npos) {
                report().error(value.place, "bad-name",
                               "sysctls: '" + key +
                                   "': expected a name such as net.ipv4.tcp_rmem; "
                                   "only net.* belongs to one host");
            }
        }
    }

    void read_start(const YamlNode& value, ApplicationDraft& app) {
        const auto text = fields_->text(value, "start:");
        if (!text) return;
        if (*text == "manual") {
            app.manual = true;
            return;
        }
        if (*text == "auto") {
            app.manual = false;
            return;
        }
        constexpr std::array<std::string_view, 2> kStart{"manual", "auto"};
        report().error(value.place, "bad-value",
                       "start: expected manual (an event starts it) or auto, found '" + *text + "'",
                       nearest_word(*text, kStart));
    }

    const YamlNode* map_;
    const YamlFields* fields_;
};

void read_host(const YamlNode& key, const YamlNode& value, const YamlFields& fields,
               ScenarioDraft& draft) {
    const auto [base, inner] = split_brackets(key.text);
    if (!fields.name_ok(base, key.place, "the host")) return;
    if (base == "localhost" || base == kOutsideName) {
        fields.report().error(
            key.place, "bad-name",
            "the name '" + std::string{base} + "' is taken" +
                (base == kOutsideName ? "; @outside in a link makes that host" : ""));
        return;
    }
    if (!value.is_mapping() && !value.is_null()) {
        fields.report().error(
            value.place, "bad-form",
            "a host is a map such as {run: iperf3 -s}, found " + std::string{kind_text(value.kind)},
            value.is_scalar() ? "{run: " + value.text + "}" : std::string{});
    }
    if (value.is_mapping()) fields.check_keys(value, "a host", kKeys);
    ApplicationDraft application = HostReader{value, fields}.read();
    const YamlNode* replicas = value.find("replicas");
    if (inner) {
        const auto number = parse_whole(*inner, "a replica", 0, kMostReplicas);
        if (!number) {
            fields.report().error(
                key.place, "bad-name",
                "'" + key.text + "': expected one replica, such as " + std::string{base} + "[0]");
            return;
        }
        if (replicas != nullptr) {
            fields.report().error(replicas->place, "bad-form",
                                  "a replica has no replicas of its own");
        }
        draft.replicas.push_back(ReplicaDraft{std::string{base},
                                              static_cast<std::uint32_t>(*number), key.place,
                                              std::move(application)});
        return;
    }
    HostDraft host;
    host.name = base;
    host.place = key.place;
    host.application = std::move(application);
    if (replicas != nullptr) {
        const auto count = fields.whole(*replicas, "replicas", 1, kMostReplicas);
        host.replicas = static_cast<std::uint32_t>(count.value_or(1));
    }
    draft.hosts.push_back(std::move(host));
}

}  // namespace

void read_hosts(const YamlNode& hosts, const YamlFields& fields, ScenarioDraft& draft) {
    if (hosts.is_sequence()) {
        for (const YamlNode& item : hosts.items) {
            if (item.is_scalar()) {
                read_host(item, YamlNode{}, fields, draft);
            } else if (fields.is_map(item, "hosts:")) {
                read_hosts(item, fields, draft);
            }
        }
        return;
    }
    if (hosts.is_null() || !fields.is_map(hosts, "hosts:")) return;
    for (std::size_t i = 0; i < hosts.keys.size(); ++i) {
        read_host(hosts.keys[i], hosts.items[i], fields, draft);
    }
}

}  // namespace pleat
