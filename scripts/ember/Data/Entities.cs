using System.Globalization;

namespace Hearth.Ember.Data;

/// <summary>Draws values of a named kind (City, Person, Int 1 50, ...) as the text a user would write.</summary>
public static class Entities
{
    public static string Value(Draw draw, string kind)
    {
        var words = kind.Split(' ', 2);
        string rest = words.Length > 1 ? words[1] : "";
        return words[0] switch
        {
            "City" => draw.Owned(() => City(draw)),
            "Person" => Person(draw),
            "First" => draw.Owned(() => FirstName(draw)),
            "Item" => draw.Owned(() => Item(draw)),
            "Word" => draw.Owned(() => draw.Chance(0.5) ? draw.One(Words.Nouns) : Invented(draw, draw.Int(1, 3))),
            "Made" => draw.Owned(() => Capital(Invented(draw, draw.Int(1, 3)))),
            "Title" => draw.Owned(() => Title(draw)),
            "Text" => draw.Owned(() => Text(draw)),
            "Topic" => draw.Owned(() => Topic(draw)),
            "Int" => Int(draw, rest),
            "Number" => AnyNumber(draw),
            "Price" => draw.Owned(() => draw.Chance(0.4) ? draw.Int(2, 9000).ToString() : Decimal(draw, 2, 4000, 2)),
            "Decimal" => draw.Owned(() => Decimal(draw, 1, 900, draw.Int(1, 2))),
            "Date" => draw.Owned(() => Date(draw)),
            "Time" => draw.Owned(() => Time(draw)),
            "Email" => draw.Owned(() => Email(draw)),
            "Phone" => draw.Owned(() => "+" + Digits(draw, draw.Int(9, 12))),
            "Code" => draw.Owned(() => Code(draw)),
            "Url" => draw.Owned(() => $"https://{Invented(draw, 2)}.{draw.Either("com", "org", "net", "io")}/{draw.One(Words.Nouns)}"),
            "File" => draw.Owned(() => $"{draw.Either(draw.One(Words.Nouns), Invented(draw, 2))}{draw.Either("", "_" + draw.Int(1, 99))}.{draw.Either("txt", "pdf", "csv", "md", "json", "png", "log", "cs")}"),
            "Expression" => draw.Owned(() => Expression(draw)),
            "Room" => draw.One(Words.Rooms),
            "Currency" => draw.One(Words.Currencies),
            "Language" => draw.One(Words.Languages),
            "Genre" => draw.One(Words.Genres),
            "Food" => draw.One(Words.Foods),
            "Unit" => draw.One(Words.Units),
            "Day" => draw.Either("today", "tomorrow", draw.One(Words.Weekdays), draw.One(Words.Weekdays)),
            "enum" => draw.One(rest.Split('/')),
            _ => throw new InvalidDataException($"unknown kind of value '{kind}'"),
        };
    }

    /// <summary>A lower-case word of the given number of syllables that no dictionary has.</summary>
    public static string Invented(Draw draw, int syllables)
    {
        string word = "";
        for (int i = 0; i < syllables; i++)
        {
            word += draw.Chance(0.85) ? draw.One(Words.Onsets) : "";
            word += draw.One(Words.Vowels);
            if (i == syllables - 1 || draw.Chance(0.3)) word += draw.Chance(0.7) ? draw.One(Words.Codas) : "";
        }
        return word.Length < 2 ? word + "n" : word;
    }

    public static string Capital(string word) => char.ToUpperInvariant(word[0]) + word[1..];

    private static string City(Draw draw)
    {
        if (draw.Chance(0.35)) return draw.One(Words.Cities);
        string name = Capital(Invented(draw, draw.Int(1, 2)) + (draw.Chance(0.6) ? draw.One(Words.PlaceEndings) : ""));
        if (draw.Chance(0.05)) name = Accented(draw, name);
        return draw.Chance(0.15) ? $"{draw.One(Words.PlacePrefixes)} {name}" : name;
    }

    private static string Accented(Draw draw, string name)
    {
        const string plain = "aeiou", marked = "äéíöü";
        int i = name.IndexOfAny(plain.ToCharArray());
        return i < 0 ? name : name[..i] + marked[plain.IndexOf(name[i])] + name[(i + 1)..];
    }

    private static string FirstName(Draw draw) =>
        draw.Chance(0.4) ? draw.One(Words.FirstNames) : Capital(Invented(draw, draw.Int(1, 3)));

    private static string Person(Draw draw)
    {
        string first = draw.Owned(() => FirstName(draw));
        if (draw.Chance(0.6)) return first;
        return $"{first} {draw.Owned(() => Capital(Invented(draw, draw.Int(1, 2)) + draw.Either("", "", "son", "man", "er", "ski")))}";
    }

    private static string Item(Draw draw) => draw.Int(0, 4) switch
    {
        0 => draw.One(Words.Nouns),
        1 => $"{draw.One(Words.Adjectives)} {draw.One(Words.Nouns)}",
        2 => $"{draw.One(Words.Nouns)} {draw.One(Words.Nouns)}",
        3 => Invented(draw, 2),
        _ => $"{draw.One(Words.Adjectives)} {Invented(draw, 2)}",
    };

    private static string Title(Draw draw) => draw.Int(0, 3) switch
    {
        0 => $"The {Capital(draw.One(Words.Adjectives))} {Capital(draw.One(Words.Nouns))}",
        1 => $"{Capital(draw.One(Words.Nouns))} of {Capital(Invented(draw, 2))}",
        2 => $"{Capital(Invented(draw, 2))} {Capital(draw.One(Words.Nouns))}",
        _ => Capital(Invented(draw, draw.Int(1, 3))),
    };

    private static string Topic(Draw draw) => draw.Int(0, 4) switch
    {
        0 => $"{draw.One(Words.Nouns)} {draw.Either("prices", "repair", "history", "reviews", "recipes", "news", "design")}",
        1 => $"how to {draw.Either("clean", "fix", "build", "paint", "buy", "store", "grow", "sell")} a {draw.One(Words.Nouns)}",
        2 => $"{Capital(Invented(draw, 2))} {draw.Either("news", "museum", "festival", "university", "elections", "airport", "history")}",
        3 => $"{draw.Either("best", "cheap", "nearby", "vintage", "used")} {draw.One(Words.Nouns)}s",
        _ => $"{Invented(draw, 2)} {draw.One(Words.Nouns)}",
    };

    private static string Text(Draw draw)
    {
        switch (draw.Int(0, 7))
        {
            case 0: return $"I will be {draw.Int(2, 59)} minutes late";
            case 1: return $"the {draw.One(Words.Nouns)} is {draw.One(Words.Adjectives)}";
            case 2: return $"{draw.Either("buy", "bring", "pick up", "return", "clean", "fix", "order", "pack")} {draw.Either("the", "a", "some", "my")} {draw.One(Words.Nouns)}";
            case 3: return $"{draw.Either("call", "meet", "visit", "email", "pay", "thank")} {FirstName(draw)}";
            case 4: return $"{draw.Either("see you", "dinner", "lunch", "meeting", "the party is")} at {draw.Int(1, 12)} {draw.Either("", "in " + City(draw), "with " + FirstName(draw))}".TrimEnd();
            default:
                string[] words = new string[draw.Int(2, 8)];
                for (int i = 0; i < words.Length; i++)
                    words[i] = draw.Chance(0.75) ? draw.One(Words.Common) : draw.Chance(0.6) ? draw.One(Words.Nouns) : Invented(draw, 2);
                string text = string.Join(' ', words);
                return draw.Chance(0.4) ? Capital(text) : text;
        }
    }

    private static string Int(Draw draw, string range)
    {
        var ends = range.Split(' ').Select(int.Parse).ToArray();
        return draw.Number(ends[0], ends[1]).ToString();
    }

    private static string AnyNumber(Draw draw)
    {
        int digits = draw.Int(1, 6);
        return draw.Owned(() => digits == 1 ? draw.Int(0, 9).ToString() : draw.Int(1, 9) + Digits(draw, digits - 1));
    }

    private static string Digits(Draw draw, int count) => string.Concat(Enumerable.Range(0, count).Select(_ => draw.Int(0, 9)));

    private static string Decimal(Draw draw, int low, int high, int places)
    {
        decimal value = draw.Int(low, high) + draw.Int(1, places == 1 ? 9 : 99) / (places == 1 ? 10m : 100m);
        return (value / 1.000000000000m).ToString("0.##", CultureInfo.InvariantCulture);
    }

    private static string Date(Draw draw) => draw.Int(0, 4) switch
    {
        0 => $"{draw.One(Words.Months)} {draw.Int(1, 28)}",
        1 => $"{draw.Int(1, 28)} {draw.One(Words.Months)}",
        2 => $"{draw.Int(1, 28)}.{draw.Int(1, 12)}.{draw.Int(2020, 2035)}",
        _ => $"{draw.Int(2020, 2035)}-{draw.Int(1, 12):00}-{draw.Int(1, 28):00}",
    };

    private static string Time(Draw draw) => draw.Int(0, 4) switch
    {
        0 => $"{draw.Int(1, 12)} {draw.Either("am", "pm")}",
        1 => $"{draw.Int(1, 12)}:{draw.Int(0, 59):00} {draw.Either("am", "pm")}",
        _ => $"{draw.Int(0, 23):00}:{draw.Int(0, 59):00}",
    };

    private static string Email(Draw draw)
    {
        string user = draw.Chance(0.5) ? draw.One(Words.FirstNames).ToLowerInvariant() : Invented(draw, 2);
        if (draw.Chance(0.4)) user += "." + Invented(draw, draw.Int(1, 2));
        if (draw.Chance(0.2)) user += draw.Int(1, 99);
        string host = draw.Chance(0.5) ? draw.One(Words.Domains) : Invented(draw, 2);
        return $"{user}@{host}.{draw.Either("com", "org", "net", "de", "io", "eu")}";
    }

    private static string Code(Draw draw)
    {
        string letters = string.Concat(Enumerable.Range(0, draw.Int(1, 3)).Select(_ => (char)draw.Int('A', 'Z')));
        return draw.Either(letters + Digits(draw, draw.Int(2, 5)), $"{letters}-{Digits(draw, draw.Int(2, 6))}", "#" + Digits(draw, draw.Int(3, 6)));
    }

    private static string Expression(Draw draw)
    {
        string Term() => draw.Chance(0.8) ? draw.Int(1, 9999).ToString() : Decimal(draw, 0, 99, 1);
        string Op() => draw.Either("+", "-", "*", "/");
        return draw.Int(0, 3) switch
        {
            0 => $"{Term()} {Op()} {Term()} {Op()} {Term()}",
            1 => $"({Term()} {Op()} {Term()}) {Op()} {Term()}",
            2 => $"{Term()}{Op()}{Term()}",
            _ => $"{Term()} {Op()} {Term()}",
        };
    }
}
