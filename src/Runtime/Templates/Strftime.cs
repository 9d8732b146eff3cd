using System.Globalization;
using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary><c>strftime</c> in the C locale, of a moment without a time zone.</summary>
internal static class Strftime
{
    public static string Format(Interpreter interpreter, string format, DateTimeOffset moment)
    {
        var t = moment.DateTime;
        var result = new StringBuilder();
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                result.Append(format[i]);
                continue;
            }

            i++;
            var pad = '\0';
            if (format[i] is '-' or '_' or '0' or '^' or '#' && i + 1 < format.Length)
                pad = format[i++];
            var text = Field(t, format[i], pad) ?? $"%{(pad == '\0' ? "" : pad)}{format[i]}";
            result.Append(pad is '^' or '#' ? CaseMapping.Upper(text) : text);
            interpreter.ChargeText(result.Length, 16);
        }

        return result.ToString();
    }

    private static string? Field(DateTime t, char field, char pad)
    {
        var c = CultureInfo.InvariantCulture;
        return field switch
        {
            'a' => t.ToString("ddd", c),
            'A' => t.ToString("dddd", c),
            'b' or 'h' => t.ToString("MMM", c),
            'B' => t.ToString("MMMM", c),
            'c' => $"{t.ToString("ddd MMM", c)} {Number(t.Day, 2, pad, ' ')} {t.ToString("HH:mm:ss yyyy", c)}",
            'C' => Number(t.Year / 100, 2, pad),
            'd' => Number(t.Day, 2, pad),
            'D' or 'x' => t.ToString("MM'/'dd'/'yy", c),
            'e' => Number(t.Day, 2, pad, ' '),
            'f' => t.ToString("ffffff", c),
            'F' => t.ToString("yyyy-MM-dd", c),
            'g' => Number(ISOWeek.GetYear(t) % 100, 2, pad),
            'G' => Number(ISOWeek.GetYear(t), 4, pad),
            'H' => Number(t.Hour, 2, pad),
            'I' => Number(((t.Hour + 11) % 12) + 1, 2, pad),
            'j' => Number(t.DayOfYear, 3, pad),
            'k' => Number(t.Hour, 2, pad, ' '),
            'l' => Number(((t.Hour + 11) % 12) + 1, 2, pad, ' '),
            'm' => Number(t.Month, 2, pad),
            'M' => Number(t.Minute, 2, pad),
            'n' => "\n",
            'p' => pad == '#' ? (t.Hour < 12 ? "am" : "pm") : t.Hour < 12 ? "AM" : "PM",
            'P' => t.Hour < 12 ? "am" : "pm",
            'r' => $"{Number(((t.Hour + 11) % 12) + 1, 2, pad)}:{t.ToString("mm:ss", c)} {(t.Hour < 12 ? "AM" : "PM")}",
            'R' => t.ToString("HH:mm", c),
            's' => new DateTimeOffset(t).ToUnixTimeSeconds().ToString(c),
            'S' => Number(t.Second, 2, pad),
            't' => "\t",
            'T' or 'X' => t.ToString("HH:mm:ss", c),
            'u' => Number(t.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)t.DayOfWeek, 1, pad),
            'U' => Number((t.DayOfYear + 6 - (int)t.DayOfWeek) / 7, 2, pad),
            'V' => Number(ISOWeek.GetWeekOfYear(t), 2, pad),
            'w' => Number((int)t.DayOfWeek, 1, pad),
            'W' => Number((t.DayOfYear + 6 - (((int)t.DayOfWeek + 6) % 7)) / 7, 2, pad),
            'y' => Number(t.Year % 100, 2, pad),
            'Y' => Number(t.Year, 1, pad),
            'z' or 'Z' => "",
            '%' => "%",
            _ => null,
        };
    }

    /// <summary>A number, filled up to its width unless the sign after the percent says otherwise.</summary>
    private static string Number(int value, int width, char pad, char fill = '0')
    {
        var text = value.ToString(CultureInfo.InvariantCulture);
        return pad switch
        {
            '-' => text,
            '_' => text.PadLeft(width, ' '),
            '0' => text.PadLeft(width, '0'),
            _ => text.PadLeft(width, fill),
        };
    }
}
