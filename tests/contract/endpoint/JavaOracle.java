import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.text.DecimalFormat;
import java.text.DecimalFormatSymbols;
import java.util.Base64;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What Java itself, which Dremio's functions call, makes of patterns and formats: a task a line, an answer a line. */
public class JavaOracle {
    public static void main(String[] arguments) throws Exception {
        BufferedReader tasks = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = tasks.readLine(); line != null; line = tasks.readLine()) {
            String[] parts = line.split("\t", -1);
            for (int place = 1; place < parts.length; place++) {
                parts[place] = new String(Base64.getDecoder().decode(parts[place]), StandardCharsets.UTF_8);
            }
            String answer = answer(parts);
            System.out.println(Base64.getEncoder().encodeToString(answer.getBytes(StandardCharsets.UTF_8)));
        }
    }

    private static String answer(String[] parts) {
        switch (parts[0]) {
            case "replace":
                return Pattern.compile(parts[1]).matcher(parts[2]).replaceAll(parts[3]);
            case "like":
                return String.valueOf(Pattern.compile(parts[1], Pattern.DOTALL).matcher(parts[2]).find());
            case "extract":
                Matcher matcher = Pattern.compile(parts[1]).matcher(parts[2]);
                String group = matcher.find() ? matcher.group(Integer.parseInt(parts[3])) : "";
                return group == null ? "" : group; // a group that took no part; Dremio fails there
            case "format":
                DecimalFormatSymbols symbols = DecimalFormatSymbols.getInstance(Locale.ROOT);
                return new DecimalFormat(parts[1], symbols).format(new BigDecimal(parts[2]));
            default:
                throw new IllegalArgumentException(parts[0]);
        }
    }
}
