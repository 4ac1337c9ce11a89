// SQLite.
#include "controller/sqlite.hh"

#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/error.hh"
#include "base/overload.hh"

namespace pleat {

namespace {

// "PLEA": in the header of our files.
constexpr std::int64_t kApplicationId = 0x504c4541;
constexpr int kBusyMilliseconds = 5000;

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const noexcept {
    sqlite3_finalize(statement);
}

void Statement::query(std::initializer_list<SqlValue> values) {
    sqlite3_stmt* const statement = statement_.get();
    sqlite3_reset(statement);
    PLEAT_ASSERT(static_cast<int>(values.size()) == sqlite3_bind_parameter_count(statement));
    int position = 0;
    for (const SqlValue& value : values) {
        ++position;
        const auto bind_text = [statement, position](std::string_view text) {
            return sqlite3_bind_text64(statement, position, text.data(), text.size(), SQLITE_STATIC,
                                       SQLITE_UTF8);
        };
        // An empty view may have no data; SQLite takes that for NULL.
        const auto bind_blob = [statement, position](Blob blob) {
            return sqlite3_bind_blob64(statement, position,
                                       blob.bytes.empty() ? "" : blob.bytes.data(),
                                       blob.bytes.size(), SQLITE_STATIC);
        };
        const int status = std::visit(
            Overload{
                [&](std::monostate) { return sqlite3_bind_null(statement, position); },
                [&](std::int64_t number) {
                    return sqlite3_bind_int64(statement, position, number);
                },
                [&](double number) { return sqlite3_bind_double(statement, position, number); },
                [&](std::string_view text) { return bind_text(text.empty() ? "" : text); },
                bind_blob,
            },
            value);
        if (status != SQLITE_OK) database_->fail_with_reason("bind a value");
    }
}

bool Statement::next() {
    const int status = sqlite3_step(statement_.get());
    if (status == SQLITE_ROW) return true;
    if (status != SQLITE_DONE) {
        // The failure would be told again by a reset.
        const std::string attempt = sqlite3_sql(statement_.get());
        database_->fail_with_reason(fmt::format("run '{}'", attempt.substr(0, attempt.find('('))));
    }
    sqlite3_reset(statement_.get());
    return false;
}

void Statement::run(std::initializer_list<SqlValue> values) {
    query(values);
    while (next()) {
    }
}

bool Statement::is_null(int column) const {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

std::int64_t Statement::number(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
    const void* const data = sqlite3_column_blob(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    if (data == nullptr) return {};
    return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

void Database::Close::operator()(sqlite3* connection) const noexcept {
    sqlite3_close_v2(connection);
}

Database::Database(std::string path, std::span<const Migration> migrations)
    : path_{std::move(path)} {
    sqlite3* connection = nullptr;
    const int status = sqlite3_open_v2(
        path_.c_str(), &connection,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE, nullptr);
    connection_.reset(connection);
    if (status != SQLITE_OK) fail_with_reason("open it");
    sqlite3_busy_timeout(connection, kBusyMilliseconds);
    execute("PRAGMA journal_mode = WAL");
    execute("PRAGMA synchronous = FULL");
    execute("PRAGMA foreign_keys = ON");
    check_and_migrate(migrations);
}

void Database::fail_with_reason(std::string_view attempt) const {
    const int code = sqlite3_errcode(connection_.get()) & 0xff;
    std::string reason = sqlite3_errmsg(connection_.get());
    if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT) {
        reason += "; it is damaged or no database: move it away and start again";
    }
    throw Failure{fmt::format("database {}: cannot {}: {}", path_, attempt, reason)};
}

void Database::execute(const std::string& sql) {
    if (sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
        fail_with_reason(fmt::format("run '{}'", sql.substr(0, sql.find('\n'))));
    }
}

Statement Database::prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
        fail_with_reason(fmt::format("run '{}'", sql));
    }
    return {*this, statement};
}

std::int64_t Database::last_insert_id() const {
    return sqlite3_last_insert_rowid(connection_.get());
}

std::string Database::integrity_problem() {
    Statement check = prepare("PRAGMA integrity_check(1)");
    check.query({});
    if (!check.next()) return "no answer";
    std::string answer = check.text(0);
    return answer == "ok" ? std::string{} : answer;
}

void Database::check_and_migrate(std::span<const Migration> migrations) {
    const auto pragma = [this](std::string_view sql) {
        Statement statement = prepare(sql);
        statement.query({});
        return statement.next() ? statement.number(0) : 0;
    };
    const std::int64_t version = pragma("PRAGMA user_version");
    const bool empty = pragma("SELECT count(*) FROM sqlite_schema") == 0;
    if (!empty && pragma("PRAGMA application_id") != kApplicationId) {
        throw Failure{fmt::format("database {}: it is not one of pleat's", path_)};
    }
    if (!std::in_range<std::size_t>(version) ||
        static_cast<std::size_t>(version) > migrations.size()) {
        throw Failure{
            fmt::format("database {}: a newer pleat made it (schema {}, this one knows {})", path_,
                        version, migrations.size())};
    }
    if (const std::string problem = empty ? "" : integrity_problem(); !problem.empty()) {
        throw Failure{fmt::format("database {}: it is damaged ({}): move it away and start again",
                                  path_, problem)};
    }
    for (auto next = static_cast<std::size_t>(version); next < migrations.size(); ++next) {
        Transaction change{*this};
        execute(fmt::format("PRAGMA application_id = {}", kApplicationId));
        execute(std::string{migrations[next].sql});
        execute(fmt::format("PRAGMA user_version = {}", next + 1));
        change.commit();
    }
}

Transaction::Transaction(Database& database) : database_{database} {
    database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
    // SQLite may have rolled back by itself, when the disk is full.
    if (open_) {
        sqlite3_exec(database_.connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

void Transaction::commit() {
    database_.execute("COMMIT");
    open_ = false;
}

}  // namespace pleat
