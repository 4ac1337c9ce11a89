// SQLite, as thin as it can be: one connection, statements, transactions. The only code
// that sees sqlite3.h is sqlite.cc. A failure throws Failure with the file's name, what
// was attempted and SQLite's reason.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

struct sqlite3;
struct sqlite3_stmt;

namespace pleat {

// Bytes that are no text.
struct Blob {
    std::string_view bytes;
};

// Null, a number, a text or a blob. Views must live until the statement has run.
using SqlValue = std::variant<std::monostate, std::int64_t, double, std::string_view, Blob>;

// A change of the schema: numbered from 1, never edited once it is released.
struct Migration {
    std::string_view sql;
};

class Database;

class [[nodiscard]] Statement {
  public:
    // Runs once with these values, to its end.
    void run(std::initializer_list<SqlValue> values);

    // Starts a query with these values; then next() while it says true.
    void query(std::initializer_list<SqlValue> values);
    bool next();

    // Of the present row.
    bool is_null(int column) const;
    std::int64_t number(int column) const;
    std::string text(int column) const;  // of blobs, too

  private:
    friend class Database;

    struct Finalize {
        void operator()(sqlite3_stmt* statement) const noexcept;
    };

    Statement(Database& database, sqlite3_stmt* statement)
        : database_{&database}, statement_{statement} {}

    Database* database_;
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
  public:
    // Opens or creates the file and brings its schema up to date. Refuses a file that is
    // damaged, of a newer program, or no database of ours.
    Database(std::string path, std::span<const Migration> migrations);

    void execute(const std::string& sql);
    Statement prepare(std::string_view sql);

    std::int64_t last_insert_id() const;

    const std::string& path() const { return path_; }

    // "no problem": nothing. Reads all of the file.
    std::string integrity_problem();

  private:
    friend class Statement;
    friend class Transaction;

    struct Close {
        void operator()(sqlite3* connection) const noexcept;
    };

    [[noreturn]] void fail_with_reason(std::string_view attempt) const;
    void check_and_migrate(std::span<const Migration> migrations);

    std::string path_;
    std::unique_ptr<sqlite3, Close> connection_;
};

// Changes that happen all together or not at all: rolled back unless commit() was called.
class [[nodiscard]] Transaction {
  public:
    explicit Transaction(Database& database);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    void commit();

  private:
    Database& database_;
    bool open_ = true;
};

}  // namespace pleat
