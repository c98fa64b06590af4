import java.sql.*;
import java.util.*;

/** Asks a Flight SQL server what a desktop tool asks, and prints one line for each answer. */
public class JdbcProbe {
    public static void main(String[] arguments) throws Exception {
        Properties login = new Properties();
        login.put("user", arguments[1]);
        login.put("password", arguments[2]);
        login.put("useEncryption", "false");
        try (Connection connection = DriverManager.getConnection(arguments[0], login)) {
            DatabaseMetaData about = connection.getMetaData();
            System.out.println("product " + about.getDatabaseProductName());
            list("schema", about.getSchemas(), "TABLE_SCHEM");
            list("table", about.getTables(null, "%", "%", null), "TABLE_NAME");
            list("column", about.getColumns(null, null, "college_scorecard_outcomes", "%"), "COLUMN_NAME");
            list("type", about.getTableTypes(), "TABLE_TYPE");
            try (Statement statement = connection.createStatement()) {
                for (int i = 3; i < arguments.length; i++) {
                    try (ResultSet rows = statement.executeQuery(arguments[i])) {
                        int width = rows.getMetaData().getColumnCount();
                        while (rows.next()) {
                            StringBuilder line = new StringBuilder("row");
                            for (int c = 1; c <= width; c++) line.append(' ').append(rows.getObject(c));
                            System.out.println(line);
                        }
                    } catch (SQLException error) {
                        System.out.println("error " + error.getMessage().lines().findFirst().orElse(""));
                    }
                }
            }
            String count = "select count(*) from lakehouse.silver.college_scorecard_outcomes";
            try (PreparedStatement prepared = connection.prepareStatement(count); ResultSet rows = prepared.executeQuery()) {
                rows.next();
                System.out.println("prepared " + rows.getLong(1));
            }
        }
    }

    private static void list(String word, ResultSet rows, String column) throws SQLException {
        Set<String> found = new TreeSet<>();
        try (rows) {
            while (rows.next()) found.add(rows.getString(column));
        }
        System.out.println(word + " " + String.join(" ", found));
    }
}
