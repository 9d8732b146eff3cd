namespace Hearth.Ember.Data;

/// <summary>Word lists that the entity generators draw from.</summary>
public static class Words
{
    private static string[] Split(string text) => text.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);

    public static readonly string[] Onsets = Split("b br c ch cl d dr f fl g gr h j k kl l m n p pr qu r s sh sk sl st t th tr v w y z");
    public static readonly string[] Vowels = Split("a e i o u a e i o u ai ea ee ia oa ou au ei y");
    public static readonly string[] Codas = Split("b ck d ft g l ld ll lm m n nd ng nt p r rd rk rn rt s ss st t th v x z");
    public static readonly string[] PlaceEndings = Split("ville ton burg ford wick stad mouth field holm berg ham port dale bury haven grad minster a ia o os um is ora ena ino");
    public static readonly string[] PlacePrefixes = Split("New San Port Saint Lake Fort Los East Upper Mount El Bad La Old North");

    public static readonly string[] Cities = Split("""
        Paris London Berlin Rome Madrid Vienna Prague Warsaw Lisbon Dublin Oslo Stockholm Helsinki Copenhagen Amsterdam Brussels
        Zurich Geneva Munich Hamburg Cologne Milan Naples Venice Turin Florence Barcelona Valencia Seville Porto Athens Sofia
        Bucharest Budapest Belgrade Zagreb Ljubljana Bratislava Vilnius Riga Tallinn Kyiv Moscow Istanbul Ankara Cairo Tunis
        Algiers Lagos Nairobi Accra Dakar Casablanca Johannesburg Durban Dubai Doha Riyadh Tehran Baghdad Amman Beirut Jerusalem
        Mumbai Delhi Kolkata Chennai Bangalore Karachi Lahore Dhaka Kathmandu Colombo Bangkok Hanoi Manila Jakarta Singapore
        Tokyo Osaka Kyoto Seoul Busan Beijing Shanghai Shenzhen Taipei Sydney Melbourne Perth Brisbane Auckland Wellington
        Toronto Montreal Vancouver Ottawa Calgary Boston Chicago Seattle Denver Dallas Houston Phoenix Miami Atlanta Detroit
        Portland Austin Memphis Nashville Oakland Tampa Havana Lima Bogota Quito Santiago Caracas Montevideo Recife Salvador
        Edinburgh Glasgow Cardiff Leeds Bristol Liverpool Manchester Sheffield Bergen Malmo Aarhus Tampere Leipzig Dresden
        Stuttgart Frankfurt Nuremberg Bremen Salzburg Graz Lyon Nice Marseille Bordeaux Toulouse Nantes Lille Bilbao Granada
        """);

    public static readonly string[] FirstNames = Split("""
        Anna Ben Clara David Emma Felix Grace Henry Iris Jack Kate Liam Mia Noah Olivia Peter Quinn Rosa Sam Tina Uma Victor Wendy
        Xavier Yara Zoe Ada Alan Alice Amir Amy Andre Anita Arthur Aisha Bob Boris Carla Carlos Chen Chris Dana Daniel Diego Dora
        Elena Eli Elias Ella Eric Erin Eva Fatima Finn Frank George Gina Greta Hana Hannah Hugo Ian Ines Ivan Jane Jin Joan John
        Jonas Julia Karim Karl Kim Lara Laura Leo Lena Lin Linda Lucas Lucy Luis Maria Mark Marta Max Maya Mei Nadia Nina Nora
        Omar Oscar Paul Priya Rachel Ravi Rita Robert Ruth Sara Simon Sofia Stella Tara Theo Thomas Tom Vera Viktor Walter Yuki
        """);

    public static readonly string[] Nouns = Split("""
        apple bag ball basket battery bed bell belt bench bicycle blanket board boat book boot bottle bowl box bread bridge brush
        bucket bulb button cable cake camera candle car card carpet cat chair cheese clock cloud coat coffee coin comb cup curtain
        desk dog door dress drill drum engine envelope fan feather fence file filter flag flower fork frame garden gate glass glove
        guitar hammer hat heater helmet hook horse jacket jar kettle key knife ladder lamp lens letter lock magnet map mask mat
        milk mirror mug nail needle notebook onion orange oven page paint pan paper pen pencil phone photo piano pillow pipe plate
        plug pot printer pump radio rice ring rope ruler salt scarf screen screw seat shelf shirt shoe shovel sink soap sock sofa
        speaker spoon stamp stone stool stove string suitcase sweater table tea tent ticket tile tire toaster towel toy train tray
        tree truck umbrella vase violin wallet watch water wheel whistle window wire wool
        """);

    public static readonly string[] Adjectives = Split("""
        red blue green yellow black white brown grey pink purple small large tiny huge long short old new warm cold soft hard
        heavy light quiet loud bright dark clean cheap wooden metal round square thin thick fresh dry wet simple strong broken
        """);

    public static readonly string[] Common = Split("""
        I you we they he she the a my your our this that is are was will can should must need want like see make take give bring
        send call meet find keep leave start finish open close move wait think know tell ask try and but so because when after
        before with without about from to at in on for near now later today tomorrow tonight soon again always never maybe here
        there home work school office station meeting report dinner lunch party doctor dentist plan idea problem answer question
        project team friend mother father brother sister boss client early late ready busy happy tired good great nice bad sorry
        please thanks still already very too not more less first next last
        """);

    public static readonly string[] Months = Split("January February March April May June July August September October November December");
    public static readonly string[] Weekdays = Split("Monday Tuesday Wednesday Thursday Friday Saturday Sunday");
    public static readonly string[] Domains = Split("mail post web home work inbox office cloud letter net");
    public static readonly string[] Rooms = ["kitchen", "living room", "bedroom", "bathroom", "hallway", "office", "garage", "garden", "basement", "attic", "dining room", "porch", "nursery", "studio"];
    public static readonly string[] Currencies = Split("USD EUR GBP JPY CHF SEK NOK DKK PLN CZK HUF CAD AUD NZD INR CNY BRL MXN ZAR TRY KRW SGD THB ILS");
    public static readonly string[] Languages = Split("French German Spanish Italian Portuguese Dutch Polish Czech Swedish Danish Finnish Greek Turkish Arabic Hindi Japanese Korean Chinese Russian Latin");
    public static readonly string[] Genres = Split("jazz rock pop classical folk techno blues metal reggae soul country ambient comedy drama thriller romance fantasy horror mystery western");
    public static readonly string[] Foods = Split("pizza pasta sushi salad soup curry tacos burger noodles ramen steak risotto lasagna pancakes waffles dumplings falafel hummus paella stew omelette kebab goulash chili");
    public static readonly string[] Units = ["meters", "feet", "miles", "kilometers", "inches", "centimeters", "pounds", "kilograms", "grams", "ounces", "liters", "gallons", "cups", "yards"];
}
